-- Opens a file with the server, waits for its findings, makes the preferred edit, writes, undoes; prints what it saw.
local command, path = vim.split(vim.env.MIGFIX_SERVER, " "), vim.env.MIGFIX_FILE
local root = vim.env.MIGFIX_ROOT

local function fail(why)
  io.stdout:write("failed: " .. why .. "\n")
  vim.cmd("cquit 1")
end

local client = vim.lsp.start_client({
  name = "migfix",
  cmd = command,
  root_dir = root,
  workspace_folders = { { uri = vim.uri_from_fname(root), name = root } },
})
vim.cmd("edit " .. vim.fn.fnameescape(path))
vim.bo.filetype = "python"
local buffer = vim.api.nvim_get_current_buf()
vim.lsp.buf_attach_client(buffer, client)

local function shown() return vim.diagnostic.get(buffer) end
if not vim.wait(60000, function() return #shown() > 0 end, 50) then fail("no diagnostics") end
table.sort(shown(), function(a, b) return a.lnum < b.lnum end)
for _, each in ipairs(shown()) do
  io.stdout:write(string.format("%d:%d %s\n", each.lnum + 1, each.col + 1, vim.split(each.message, "\n")[1]))
end

local context = { diagnostics = {}, only = { "source.fixAll.migfix" } }
local params = vim.lsp.util.make_range_params()
params.context = context
local answers = vim.lsp.buf_request_sync(buffer, "textDocument/codeAction", params, 60000) or {}
local found = (answers[client] or {}).result or {}
if #found ~= 1 then fail("no action: " .. vim.inspect(answers)) end
vim.lsp.util.apply_workspace_edit(found[1].edit, vim.lsp.get_client_by_id(client).offset_encoding)
vim.cmd("wall!")
vim.fn.writefile(vim.fn.readfile(path, "b"), vim.env.MIGFIX_SEEN, "b")
vim.cmd("undo")
vim.cmd("write!")
vim.lsp.stop_client(client)
vim.cmd("qall!")
