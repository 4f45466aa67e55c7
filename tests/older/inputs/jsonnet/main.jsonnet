local app = { app: 'grafana' };

{
  objects: {
    deployment: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'grafana', namespace: 'monitoring', labels: app },
      spec: {
        replicas: 1,
        selector: { matchLabels: app },
        template: {
          metadata: { labels: app },
          spec: {
            containers: [{
              name: 'grafana',
              image: 'grafana/grafana:5.1.0',
              ports: [{ name: 'http', containerPort: 3000 }],
            }],
          },
        },
      },
    },
  },
  rollout: import 'rollout.json',
}
