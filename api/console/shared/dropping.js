// Pass all files that are dropped on `area` or chosen in the field of `marked` to `takeAll`, including those chosen before
// this script ran. `marked` is highlighted while files hang over it.
export function takeFrom(area, marked, takeAll) {
  const chooser = marked.querySelector("input[type=file]");
  chooser.addEventListener("change", () => takeAll(chooser.files));
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    marked.classList.add("over");
  });
  area.addEventListener("dragleave", () => marked.classList.remove("over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    marked.classList.remove("over");
    takeAll(event.dataTransfer.files);
  });
  takeAll(chooser.files);
}
