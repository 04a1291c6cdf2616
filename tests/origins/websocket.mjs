// A WebSocket echo (RFC 6455), unfragmented messages only: enough to see that upgrades pass through.
import { createHash } from "node:crypto";

const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CLOSE = 8, PING = 9, PONG = 10;

/** One unmasked frame. @param {number} opcode @param {Buffer} payload */
function frame(opcode, payload) {
  const size = payload.length;
  const head = size < 126 ? Buffer.from([0x80 | opcode, size]) : size < 65_536 ? Buffer.from([0x80 | opcode, 126, size >> 8, size & 255]) : null;
  if (!head) throw new Error("the echo takes messages below 64 KiB");
  return Buffer.concat([head, payload]);
}

/** Answers an upgrade and echoes every message, until closed. */
export function acceptWebSocket(request, socket) {
  const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + MAGIC).digest("base64");
  const protocol = request.headers["sec-websocket-protocol"]?.split(",")[0].trim();
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ""}\r\n`);
  let held = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (part) => {
    held = Buffer.concat([held, part]);
    for (;;) {
      if (held.length < 6) return;
      const opcode = held[0] & 15;
      let size = held[1] & 127, at = 2;
      if (size === 127) return socket.destroy();
      if (size === 126) {
        if (held.length < 8) return;
        size = held.readUInt16BE(2);
        at = 4;
      }
      if (held.length < at + 4 + size) return;
      const mask = held.subarray(at, at + 4), payload = Buffer.from(held.subarray(at + 4, at + 4 + size));
      for (let i = 0; i < size; i++) payload[i] ^= mask[i & 3];
      held = held.subarray(at + 4 + size);
      if (opcode === CLOSE) return void socket.end(frame(CLOSE, payload));
      if (opcode === PING) socket.write(frame(PONG, payload));
      else socket.write(frame(opcode, payload));
    }
  });
}
