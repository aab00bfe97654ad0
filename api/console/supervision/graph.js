// The graph is larger than its frame: scroll to the first box.
for (const frame of document.querySelectorAll(".graph")) {
  const start = frame.querySelector(".start");
  if (!start) continue;
  const [box, around] = [start.getBoundingClientRect(), frame.getBoundingClientRect()];
  frame.scrollTop += box.top + box.height / 2 - around.top - around.height / 2;
}
