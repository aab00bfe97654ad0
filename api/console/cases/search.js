// Searches for a file by its SHA-256; the file itself is not sent.
const drop = document.querySelector("[data-drop=file]");

drop.addEventListener("input", () => {
  const values = [...drop.querySelectorAll("input[name=file]")].map(({ value }) => value);
  const digest = values.findLast((value) => value.startsWith("sha256:"));
  if (!digest) return;
  document.getElementById("q").value = digest;
  document.querySelector("form[role=search]").requestSubmit();
});
