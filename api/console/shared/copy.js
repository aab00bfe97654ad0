// Copies the command beside a button, or selects it if the browser does not let a page write to the clipboard.
async function copy(button) {
  const code = button.closest(".command").querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = button.dataset.copied;
  } catch {
    getSelection().selectAllChildren(code);
  }
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-copied]");
  if (button) copy(button);
});
