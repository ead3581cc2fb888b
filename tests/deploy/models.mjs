// Holds objects against the published models of their kinds: JSON list on standard input, exit
// code 1 and a line for each fault.
//
// The models check values and pass over fields they do not know; TypeScript refuses a field that
// the declaration of its kind does not have, so every object is checked both ways.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const PACKAGES = {
  'keda.sh': '@kubernetes-models/keda',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'external-secrets.io': '@kubernetes-models/external-secrets',
};

const objects = JSON.parse(await new Response(process.stdin).text());
const faults = [];
const lines = [];
for (const object of objects) {
  const [group, version] = object.apiVersion.split('/');
  const model = `${PACKAGES[group]}/${group}/${version}/${object.kind}`;
  const { [object.kind]: Kind } = await import(model);
  try {
    new Kind(object).validate();
  } catch (fault) {
    faults.push(`${object.kind} ${object.metadata.name}: ${fault.message}`);
  }
  // One object a line, so that a fault's line says which.
  const type = `import("${model}").I${object.kind}`;
  lines.push(`export const o${lines.length}: ${type} = ${JSON.stringify(object)};`);
}

// Below node_modules, where TypeScript finds the packages and git looks for nothing.
const folder = join(dirname(fileURLToPath(import.meta.url)), 'node_modules', '.objects');
mkdirSync(folder, { recursive: true });
const file = join(folder, `${process.pid}.ts`);
writeFileSync(file, lines.join('\n'));
const program = ts.createProgram([file], {
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  types: [],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
});
for (const fault of ts.getPreEmitDiagnostics(program)) {
  const at = fault.file?.getLineAndCharacterOfPosition(fault.start).line ?? 0;
  const { kind, metadata } = objects[at];
  faults.push(`${kind} ${metadata.name}: ${ts.flattenDiagnosticMessageText(fault.messageText, ' ')}`);
}
console.log(faults.join('\n'));
process.exitCode = faults.length ? 1 : 0;
