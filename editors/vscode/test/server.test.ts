/** The command of the extension, with the protocol of its own client, against the real server. */
import * as assert from "node:assert";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import {
  CodeAction,
  CodeActionRequest,
  createProtocolConnection,
  DidOpenTextDocumentNotification,
  InitializedNotification,
  InitializeRequest,
  PublishDiagnosticsNotification,
  PublishDiagnosticsParams,
  ShutdownRequest,
} from "vscode-languageserver-protocol/node";
import { command } from "../src/command";

const top = path.resolve(__dirname, "..", "..", "..", "..");

test("the server that the extension starts finds loops and rewrites them", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "migfix-"));
  fs.cpSync(path.join(top, "examples", "newsroom"), folder, { recursive: true });
  const started = command(process.env.MIGFIX_PYTHON ?? "");
  const server = spawn(started.command, started.args, {
    cwd: folder,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const connection = createProtocolConnection(server.stdout, server.stdin);
  const shown = new Promise<PublishDiagnosticsParams>((resolve) =>
    connection.onNotification(PublishDiagnosticsNotification.type, resolve),
  );
  connection.listen();
  try {
    const root = pathToFileURL(folder).toString();
    const initialized = await connection.sendRequest(InitializeRequest.type, {
      processId: process.pid,
      rootUri: root,
      workspaceFolders: [{ uri: root, name: "newsroom" }],
      capabilities: { workspace: { workspaceEdit: { documentChanges: true } } },
    });
    assert.ok(initialized.capabilities.codeActionProvider);
    connection.sendNotification(InitializedNotification.type, {});
    const file = path.join(folder, "blog", "migrations", "0002_new_owners.py");
    const uri = pathToFileURL(file).toString();
    connection.sendNotification(DidOpenTextDocumentNotification.type, {
      textDocument: { uri, languageId: "python", version: 1, text: fs.readFileSync(file, "utf8") },
    });
    const { diagnostics } = await shown;
    assert.deepStrictEqual(
      diagnostics.map((each) => [each.range.start.line, each.code]),
      [
        [12, "MF101"],
        [16, "MF101"],
      ],
    );
    const actions = (await connection.sendRequest(CodeActionRequest.type, {
      textDocument: { uri },
      range: diagnostics[0].range,
      context: { diagnostics: [diagnostics[0]] },
    })) as CodeAction[];
    const preferred = actions.filter((each) => each.isPreferred);
    assert.strictEqual(preferred.length, 1);
    assert.match(JSON.stringify(preferred[0].edit), /update\(owner=sharon\)/);
    await connection.sendRequest(ShutdownRequest.type);
  } finally {
    connection.end();
    server.kill();
    fs.rmSync(folder, { recursive: true });
  }
});
