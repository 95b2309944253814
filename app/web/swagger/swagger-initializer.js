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

// Published, the parameters of the query stand above the body, however many there are. Here the body comes first, beside
// the button that lets one try it, and the options are folded below it.
const bodyFirst = (Parameters, React) => class extends Parameters {
  render() {
    const section = super.render();
    const [header, parameters, callbacks, body] = section.props.children;
    if (!body) return section;
    const [bodyHeader, ...bodyRest] = body.props.children;
    const [, tryItOut] = header.props.children;
    const row = React.cloneElement(bodyHeader, {}, ...bodyHeader.props.children, tryItOut);
    const { size } = this.props.parameters;
    const place = this.props.parameters.every((parameter) => parameter.get("in") === "query") ? "query" : "headers";
    const options = size > 0 && React.createElement(
      "details",
      { className: "query-options" },
      React.createElement("summary", null, `Options in the ${place}: ${size}, none required`),
      parameters,
    );
    return React.cloneElement(section, {}, React.cloneElement(body, {}, row, ...bodyRest), options, callbacks);
  }
};

const BodyFirst = () => ({
  wrapComponents: {
    parameters: (Guarded, { React }) => {
      let Reordered;
      return class extends Guarded { // which renders the parameters inside of what catches their errors
        render() {
          const boundary = super.render();
          const { type, props } = boundary.props.children;
          Reordered ??= bodyFirst(type, React);
          return React.cloneElement(boundary, {}, React.createElement(Reordered, props));
        }
      };
    },
  },
});

// Published, a text example of any media type with "json" in its name is shown as one JSON string, with quotes and \\n.
const TextExamplesAsTheyAre = () => ({
  afterLoad() {
    const sampleOf = this.fn.getSampleSchema;
    this.fn.getSampleSchema = (schema, mediaType, config, example) =>
      typeof example === "string" ? example : sampleOf(schema, mediaType, config, example);
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
    plugins: [PlainTextWhenLarge, BodyFirst, TextExamplesAsTheyAre],
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
