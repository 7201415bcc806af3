// The page "Draw a digit": strokes become 64 pixels, and two ONNX files read them.
(() => {
  "use strict";

  const BASE = new URL(".", document.currentScript.src);
  const SIDE = 8; // pixels of an image of the set, along a side
  const BLOCK = 4; // points that are counted for a pixel, along a side
  const INK = 0.3; // the mean of an image of the set, whichever digit it is
  const PENS = [3, 12]; // the least and the largest width of a line, in points
  const ROW = 28; // the height of a wire, in pixels of the screen
  const COLUMN = 26;

  const root = document.getElementById("draw");
  const canvas = document.getElementById("draw-canvas");
  const seen = document.getElementById("draw-seen");
  const status = document.getElementById("draw-status");
  const models = { hybrid: {}, dense: {} };
  let about;
  let ort;
  let strokes = []; // lists of points [x, y], each from 0 to 1
  let given = null; // the pixels of an example, in the place of strokes
  let nextExample = 0;
  let running = false;
  let stale = false;

  function colour(name) {
    return getComputedStyle(root).getPropertyValue(name);
  }

  function line(context, stroke, place) {
    context.beginPath();
    stroke.forEach((point, i) => (i ? context.lineTo : context.moveTo).apply(context, place(point)));
    context.lineTo(...place(stroke[stroke.length - 1])); // a dot, if there is one point
    context.stroke();
  }

  function pen(context, width, style) {
    context.lineWidth = width;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = style;
  }

  // As the digits of the set were made: scaled to fill a box of 32 by 32 points, then counted.
  function counted(strokes, width) {
    const pixels = new Float32Array(SIDE * SIDE);
    const size = SIDE * BLOCK;
    const xs = strokes.flat().map((point) => point[0]);
    const ys = strokes.flat().map((point) => point[1]);
    const [left, right, top, bottom] = [
      Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys),
    ];
    const scale = (size - width) / Math.max(right - left, bottom - top, 0.1);
    const middle = [(left + right) / 2, (top + bottom) / 2];
    const box = document.createElement("canvas");
    box.width = box.height = size;
    const context = box.getContext("2d", { willReadFrequently: true });
    pen(context, width, "black");
    for (const stroke of strokes) {
      line(context, stroke, (point) => point.map((v, k) => (v - middle[k]) * scale + size / 2));
    }
    const points = context.getImageData(0, 0, size, size).data;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const at = Math.floor(y / BLOCK) * SIDE + Math.floor(x / BLOCK);
        pixels[at] += points[4 * (y * size + x) + 3] > 127 ? 1 / (BLOCK * BLOCK) : 0;
      }
    }
    return pixels;
  }

  // With the pen that makes the image as dark as those of the set.
  function pixelsOf(strokes) {
    if (!strokes.length) return new Float32Array(SIDE * SIDE);
    let [least, most] = PENS;
    let pixels;
    for (let step = 0; step < 6; step++) {
      const width = (least + most) / 2;
      pixels = counted(strokes, width);
      const ink = pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
      [least, most] = ink < INK ? [width, most] : [least, width];
    }
    return pixels;
  }

  function blocks(context, pixels, size) {
    context.clearRect(0, 0, size, size);
    context.fillStyle = colour("--draw-ink");
    const side = size / SIDE;
    pixels.forEach((value, i) => {
      context.globalAlpha = value;
      context.fillRect((i % SIDE) * side, Math.floor(i / SIDE) * side, side, side);
    });
    context.globalAlpha = 1;
  }

  function paint(pixels) {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (given) blocks(context, pixels, canvas.width);
    pen(context, canvas.width / 16, colour("--draw-ink"));
    for (const stroke of strokes) {
      line(context, stroke, (point) => point.map((v) => v * canvas.width));
    }
    blocks(seen.getContext("2d"), pixels, SIDE);
  }

  function bar(label) {
    const row = document.createElement("div");
    row.className = "draw-bar";
    row.innerHTML = `${label === null ? "" : "<b></b>"}<div class="draw-track"><span></span></div><i></i>`;
    if (label !== null) row.querySelector("b").textContent = label;
    return row;
  }

  function setBar(row, from, to, text, value) {
    const span = row.querySelector("span");
    span.style.left = `${100 * Math.min(from, to)}%`;
    span.style.width = `${100 * Math.abs(to - from)}%`;
    row.querySelector("i").textContent = text;
    row.dataset.value = value;
  }

  function svg(parent, name, attributes, text) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text) element.textContent = text;
    parent.append(element);
    return element;
  }

  // Each gate stands in the first column that is free on all wires that it touches or crosses.
  function drawCircuit(gates) {
    const free = new Array(about.qubits).fill(0);
    const placed = gates.map(([name, qubits, input]) => {
      const [first, last] = [Math.min(...qubits), Math.max(...qubits)];
      const column = Math.max(...free.slice(first, last + 1));
      free.fill(column + 1, first, last + 1);
      return { name, qubits, input, column };
    });
    const width = COLUMN * (Math.max(...free) + 1);
    const height = ROW * about.qubits;
    const picture = svg(root.querySelector(".draw-scroll"), "svg", {
      width, height, viewBox: `0 0 ${width} ${height}`,
    });
    const y = (qubit) => ROW * (qubit + 0.5);
    for (let q = 0; q < about.qubits; q++) {
      svg(picture, "line", { class: "draw-wire", x1: 0, x2: width, y1: y(q), y2: y(q) });
    }
    for (const { name, qubits, input, column } of placed) {
      const x = COLUMN * (column + 1);
      if (name === "cx") {
        const [control, target] = qubits.map(y);
        svg(picture, "line", { class: "draw-wire", x1: x, x2: x, y1: control, y2: target });
        svg(picture, "circle", { class: "draw-dot", cx: x, cy: control, r: 3 });
        svg(picture, "circle", { class: "draw-ring", cx: x, cy: target, r: 6 });
        svg(picture, "line", { class: "draw-wire", x1: x, x2: x, y1: target - 6, y2: target + 6 });
        continue;
      }
      const box = { x: x - 11, y: y(qubits[0]) - 9, width: 22, height: 18, rx: 2 };
      svg(picture, "rect", { class: "draw-gate", ...box });
      if (input !== null) {
        const attributes = { class: "draw-angle", opacity: 0, "data-input": input, ...box };
        svg(picture, "rect", attributes);
      }
      svg(picture, "text", { class: "draw-label", x, y: y(qubits[0]) }, name);
    }
    for (let q = 0; q < about.qubits; q++) root.querySelector(".draw-values").append(bar(null));
  }

  function show(name, classes) {
    const section = document.getElementById(`draw-${name}`);
    const rows = section.querySelectorAll(".draw-bar");
    classes.forEach((p, i) => setBar(rows[i], 0, p, `${(100 * p).toFixed(0)} %`, p));
    section.querySelector("output").textContent = classes.indexOf(Math.max(...classes));
  }

  function showCircuit(values, angles) {
    const rows = root.querySelectorAll(".draw-values .draw-bar");
    values.forEach((v, i) => setBar(rows[i], 0.5, 0.5 + v / 2, v.toFixed(2).replace("-0.00", "0.00"), v));
    for (const gate of root.querySelectorAll(".draw-angle")) {
      // Angles are a hyperbolic tangent, from -1 to 1.
      gate.setAttribute("opacity", (Math.abs(angles[gate.dataset.input]) * 0.7).toFixed(3));
    }
  }

  function empty() {
    for (const row of root.querySelectorAll(".draw-bar")) setBar(row, 0, 0, "", "");
    for (const gate of root.querySelectorAll(".draw-angle")) gate.setAttribute("opacity", 0);
    for (const output of root.querySelectorAll("output")) output.textContent = "–";
    root.dataset.state = "ready";
  }

  async function read() {
    const pixels = given ?? pixelsOf(strokes);
    paint(pixels);
    root.dataset.pixels = JSON.stringify([...pixels]);
    if (!ort) return;
    if (running) {
      stale = true; // again, with what is there then
      return;
    }
    if (!pixels.some((value) => value > 0)) return empty();
    running = true;
    try {
      for (const [name, { session }] of Object.entries(models)) {
        const tensor = new ort.Tensor("float32", pixels, [1, pixels.length]);
        const found = await session.run({ pixels: tensor });
        show(name, [...found.classes.data]);
        if (name === "hybrid") showCircuit([...found.values.data], [...found.angles.data]);
      }
      root.dataset.state = "read";
    } finally {
      running = false;
    }
    if (stale) {
      stale = false;
      read();
    }
  }

  let asked = false;
  function readSoon() {
    root.dataset.state = root.dataset.state === "loading" ? "loading" : "reading";
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      read();
    });
  }

  function clear() {
    strokes = [];
    given = null;
    readSoon();
  }

  function listen() {
    const pens = new Map(); // strokes being drawn, by pointer
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      if (given) clear();
      const stroke = [place(event)];
      pens.set(event.pointerId, stroke);
      strokes.push(stroke);
      canvas.setPointerCapture(event.pointerId);
      readSoon();
    });
    canvas.addEventListener("pointermove", (event) => {
      const stroke = pens.get(event.pointerId);
      if (!stroke) return;
      const events = event.getCoalescedEvents?.() ?? [];
      stroke.push(...(events.length ? events : [event]).map(place));
      readSoon();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => pens.delete(event.pointerId));
    }
    document.getElementById("draw-clear").addEventListener("click", clear);
    document.getElementById("draw-example").addEventListener("click", () => {
      if (!about) return;
      strokes = [];
      given = Float32Array.from(about.examples[nextExample], (value) => value / 16);
      nextExample = (nextExample + 1) % about.examples.length;
      readSoon();
    });
    // The ink has the page's colour.
    new MutationObserver(readSoon).observe(document.body, {
      attributes: true, attributeFilter: ["data-md-color-scheme"],
    });
  }

  async function load() {
    const answer = await fetch(new URL("models.json", BASE));
    about = await answer.json();
    for (const [name, model] of Object.entries(models)) {
      const section = document.getElementById(`draw-${name}`);
      for (let digit = 0; digit < 10; digit++) {
        section.querySelector(".draw-bars").append(bar(String(digit)));
      }
      const { accuracy, parameters } = about[name];
      section.querySelector(".draw-about").textContent =
        `${parameters} parameters; ${(100 * accuracy).toFixed(1)} % of ${about.test_samples} test ` +
        "digits right";
      model.file = new URL(`${name}.onnx`, BASE).href;
    }
    drawCircuit(about.gates);
    const runtime = await import(new URL("ort/ort.wasm.bundle.min.mjs", BASE).href);
    // One thread: more need headers that few hosts of pages send.
    runtime.env.wasm.numThreads = 1;
    runtime.env.wasm.wasmPaths = { wasm: new URL("ort/ort-wasm-simd-threaded.wasm", BASE).href };
    for (const model of Object.values(models)) {
      model.session = await runtime.InferenceSession.create(model.file, {
        executionProviders: ["wasm"],
      });
    }
    ort = runtime;
    status.textContent = "";
    root.dataset.state = "ready";
    readSoon();
  }

  listen();
  load().catch((error) => {
    root.dataset.state = "failed";
    status.textContent = location.protocol === "file:"
      ? "Browsers run no models in pages from disk. Serve the site, for example with mkdocs serve."
      : `The models did not load: ${error.message}`;
  });
})();
