// The keys of the picture: they follow the links of its controls. Behind a page of its own the picture has the focus again.
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
