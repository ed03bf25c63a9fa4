// An HTTP/2 server on nghttp2, as Node brings it, that answers gRPC calls with their own message.
const server = require("node:http2").createServer();
server.on("stream", (stream) => {
  const pieces = [];
  stream.on("data", (piece) => pieces.push(piece));
  stream.on("end", () => {
    stream.respond(
      { ":status": 200, "content-type": "application/grpc", "server-timing": "app;dur=1.5" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.concat(pieces));
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
