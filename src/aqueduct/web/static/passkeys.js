// data-passkey="create" or "get" on a form: the browser is asked for a passkey, and the form is sent with its answer.
// data-options is where the options for it are.

async function ask(form) {
  const body = new URLSearchParams();
  const csrf = form.elements.csrf;
  if (csrf) body.set("csrf", csrf.value);
  const response = await fetch(form.dataset.options, { method: "POST", body });
  if (!response.ok) throw new Error("The gateway did not begin. Load the page again.");
  const options = await response.json();
  const publicKey =
    form.dataset.passkey === "create"
      ? PublicKeyCredential.parseCreationOptionsFromJSON(options)
      : PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return navigator.credentials[form.dataset.passkey]({ publicKey });
}

function words(error) {
  if (error.name === "NotAllowedError") return "It was cancelled, or took too long. Try again.";
  if (error.name === "InvalidStateError") return "This device has a passkey of yours already.";
  return error.message;
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const problem = form.querySelector("[data-problem]");
  const button = form.querySelector("[type=submit]");
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
    button.disabled = true;
    problem.textContent = "This browser knows no passkeys.";
    continue;
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    problem.textContent = "";
    try {
      const credential = await ask(form);
      form.elements.answer.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch (error) {
      problem.textContent = words(error);
      button.disabled = false;
    }
  });
}
