// A server written by hand for Node. Its argument says what is wrong with the tool that it lists:
// `named` (input_schema), `typeless` (a schema without `type`), `dashed` (a name that the relay
// rewrites), or nothing.
import { createInterface } from "node:readline";

const fault = process.argv[2];
const schema = { type: "object", properties: { text: { type: "string" } }, required: ["text"] };
if (fault === "typeless") delete schema.type;
const tool = {
  name: fault === "dashed" ? "query-logs" : "query_logs",
  description: "Query logs.",
  [fault === "named" ? "input_schema" : "inputSchema"]: schema,
};

function answer({ method, params }) {
  switch (method) {
    case "initialize":
      return {
        result: {
          protocolVersion: params.protocolVersion,
          capabilities: { tools: {} },
          serverInfo: { name: "dewey", version: "1.0.0" },
        },
      };
    case "tools/list":
      return { result: { tools: [tool] } };
    case "tools/call":
      if (params.name !== tool.name) break;
      return { result: { content: [{ type: "text", text: "no logs" }] } };
  }
  return { error: { code: -32602, message: `unknown: ${params?.name ?? method}` } };
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if ("id" in message) {
    console.log(JSON.stringify({ jsonrpc: "2.0", id: message.id, ...answer(message) }));
  }
}
