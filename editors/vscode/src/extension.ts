import { commands, ExtensionContext, workspace } from "vscode";
import { LanguageClient } from "vscode-languageclient/node";
import { command } from "./command";

let client: LanguageClient | undefined;

async function start(): Promise<void> {
  const interpreter = workspace.getConfiguration("migfix").get<string>("interpreter", "");
  client = new LanguageClient("migfix", "migfix", command(interpreter), {
    documentSelector: [{ scheme: "file", language: "python" }],
  });
  await client.start();
}

async function stop(): Promise<void> {
  await client?.dispose();
  client = undefined;
}

export async function activate(context: ExtensionContext): Promise<void> {
  const restart = async () => {
    await stop();
    await start();
  };
  context.subscriptions.push(
    commands.registerCommand("migfix.restart", restart),
    workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration("migfix.interpreter")) {
        await restart();
      }
    }),
  );
  await start();
}

export async function deactivate(): Promise<void> {
  await stop();
}
