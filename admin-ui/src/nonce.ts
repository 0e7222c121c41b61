/** Styles that scripts add must carry it; see gateway/server/src/api/admin_ui.rs. */
export const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content;
