// A program on the types that openapi-typescript makes, with openapi-fetch; it prints what it sent and what came back.
import createClient from "openapi-fetch";
import type { components, paths } from "./generated.js";

declare const process: { argv: [string, string, string] };

type Schemas = components["schemas"];

const client = createClient<paths>({ baseUrl: process.argv[2] });

const first: Schemas["BinaryRequest"] = {
  labels: [1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 1],
  probabilities: [0.9, 0.7, 0.8, 0.2, 0.7, 0.1, 0.6, 0.1, 0.6, 0.9, 0.2, 0.8, 0.2, 0.7, 0.6, 0.4, 0.2, 0.2, 0.3, 0.9],
};
const scored = await client.POST("/v1/score/binary", { body: first });
if (scored.error) throw new Error(scored.error.detail);
const loss: number | null | undefined = scored.data.metrics.cross_entropy?.value;

const comparison: Schemas["BinaryCompareRequest"] = {
  labels: [1, 0, 1, 0],
  candidates: {
    old: { probabilities: [0.6, 0.5, 0.7, 0.4] },
    new: { logits: [2, -1, 0.5, -0.5] },
  },
  baseline: "old",
  unit: "bits",
};
const compared = await client.POST("/v1/compare/binary", { body: comparison });
if (compared.error) throw new Error(compared.error.detail);
const verdict: "better" | "worse" | "equivalent" | "inconclusive" | undefined = compared.data.comparisons[0]?.verdict;

const rows = await client.POST("/v1/score/binary/rows", {
  params: { query: { unit: "bits" } },
  body: "labels,probabilities\n1,0.9\n0,0.2\n1,0.6\n0,0.3\n",
  bodySerializer: (text: string) => text,
  headers: { "Content-Type": "text/csv" },
});
if (rows.error) throw new Error(rows.error.detail);

console.log(
  JSON.stringify({
    cross_entropy: loss,
    verdict,
    score: [first, scored.data],
    compare: [comparison, compared.data],
    rows: rows.data,
  }),
);
