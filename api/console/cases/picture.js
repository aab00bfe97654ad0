// Keys of the picture, which follow the links of its controls. After loading a page of its own the picture gets the focus again.
const picture = document.getElementById("picture");

picture.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const key = event.key === "=" ? "+" : event.key;
  const control = document.querySelector(`.zoom [data-key="${CSS.escape(key)}"]`);
  if (!control) return;
  event.preventDefault();
  control.click();
});
if (location.hash === "#picture") picture.focus({ preventScroll: true });
