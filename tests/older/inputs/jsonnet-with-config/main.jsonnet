local defaults = { name: 'grafana', namespace: 'monitoring' };
local config = defaults + import 'generic-operator/config';
local app = { app: config.name };

{
  objects: {
    deployment: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: config.name, namespace: config.namespace, labels: app },
      spec: {
        replicas: 1,
        selector: { matchLabels: app },
        template: {
          metadata: { labels: app },
          spec: { containers: [{ name: 'grafana', image: 'grafana/grafana:5.1.0' }] },
        },
      },
    },
  },
  rollout: import 'rollout.json',
}
