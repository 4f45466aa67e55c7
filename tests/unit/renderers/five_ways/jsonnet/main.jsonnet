local values = std.extVar('values');
local labels = { 'app.kubernetes.io/name': values.name };
local metadata = { name: values.name, namespace: 'front', labels: labels };
local ports = std.objectKeysValues(values.ports);

{
  config: { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata, data: values.settings },
  service: {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata,
    spec: {
      selector: labels,
      ports: [{ name: one.key, port: one.value, targetPort: one.key } for one in ports],
    },
  },
  deployment: {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata,
    spec: {
      replicas: values.replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels: labels },
        spec: {
          containers: [{
            name: values.name,
            image: values.image,
            envFrom: [{ configMapRef: { name: values.name } }],
            ports: [{ name: one.key, containerPort: one.value } for one in ports],
          }],
        },
      },
    },
  },
}
