// The live link: state, APDUs and the display's pixels as they change. A lost link is tried again every second.
// Binary messages: x, y (2 bytes each, big endian), then a PNG to be drawn there; they are drawn in the order in which they came.

export function connect(canvas, handlers) {
  const context = canvas.getContext("2d");
  let drawing = Promise.resolve();

  async function draw(buffer) {
    const view = new DataView(buffer);
    const picture = await createImageBitmap(new Blob([buffer.slice(4)], { type: "image/png" }));
    context.drawImage(picture, view.getUint16(0), view.getUint16(2));
    picture.close();
  }

  function open() {
    const socket = new WebSocket(`ws://${location.host}/live`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => handlers.linked(true);
    socket.onmessage = (message) => {
      if (message.data instanceof ArrayBuffer) {
        drawing = drawing.then(() => draw(message.data)).catch((error) => console.error(error));
        return;
      }
      const told = JSON.parse(message.data);
      if (told.state) handlers.state(told.state);
      if (told.apdus) handlers.apdus(told.apdus);
    };
    socket.onclose = () => { handlers.linked(false); setTimeout(open, 1000); };
  }
  open();
}
