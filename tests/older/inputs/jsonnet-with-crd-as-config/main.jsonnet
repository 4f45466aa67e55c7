local grafana = import 'generic-operator/config';
local name = 'grafana-' + grafana.metadata.name;

{
  objects: {
    deployment: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: {
        name: name,
        namespace: grafana.metadata.namespace,
        ownerReferences: [{
          apiVersion: grafana.apiVersion,
          kind: grafana.kind,
          name: grafana.metadata.name,
          uid: grafana.metadata.uid,
          controller: true,
          blockOwnerDeletion: true,
        }],
      },
      spec: {
        replicas: grafana.spec.replicas,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name } },
          spec: { containers: [{ name: 'grafana', image: 'grafana/grafana:5.2.2' }] },
        },
      },
    },
  },
  rollout: import 'rollout.jsonnet',
}
