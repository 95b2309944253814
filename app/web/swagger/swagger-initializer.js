// Starts Swagger UI on the documentation page. The address of the OpenAPI document is on the element, so that
// this file is the same for every deployment and the page needs no inline script.
"use strict";

// Colouring makes a DOM node of every token: an answer with the losses of 100 000 samples would hang the tab.
const MAX_HIGHLIGHTED_CHARACTERS = 50_000;

const PlainTextWhenLarge = () => ({
  wrapComponents: {
    SyntaxHighlighter: (Highlighter, system) => (props) => {
      const isLarge = String(props.children).length > MAX_HIGHLIGHTED_CHARACTERS;
      const View = isLarge ? system.getComponent("PlainTextViewer") : Highlighter;
      return system.React.createElement(View, props);
    },
  },
});

const followColorScheme = (dark) => document.documentElement.classList.toggle("dark-mode", dark.matches);

const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");
followColorScheme(darkScheme);
darkScheme.addEventListener("change", followColorScheme);

window.addEventListener("DOMContentLoaded", () => {
  const element = document.getElementById("swagger-ui");
  SwaggerUIBundle({
    domNode: element,
    url: new URL(element.dataset.openapiUrl, document.baseURI).href, // `servers` are relative to it
    layout: "BaseLayout",
    plugins: [PlainTextWhenLarge],
    validatorUrl: null, // the badge would send the document's address to a public server
    deepLinking: true,
    docExpansion: "list",
    tryItOutEnabled: false,
    displayRequestDuration: true,
    defaultModelRendering: "example",
    defaultModelExpandDepth: 2,
    defaultModelsExpandDepth: 0,
  });
});
