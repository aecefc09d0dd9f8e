/** How the server is started: by an interpreter, or by its name. */
export function command(interpreter: string): { command: string; args: string[] } {
  return interpreter
    ? { command: interpreter, args: ["-m", "migfix", "server"] }
    : { command: "migfix", args: ["server"] };
}
