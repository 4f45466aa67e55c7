local same(name, path, other) = { name: name, path: path, value: { path: other } };

{
  apiVersion: 'workflow.kubernetes.io/v1alpha1',
  kind: 'Rollout',
  metadata: { name: 'grafana' },
  spec: {
    groups: [{
      name: 'Deploy grafana',
      steps: [{
        object: 'deployment',
        action: 'CreateOrUpdate',
        success: [{
          fieldComparisons: [
            same('generation observed', '{.metadata.generation}', '{.status.observedGeneration}'),
            same('all replicas updated', '{.status.replicas}', '{.status.updatedReplicas}'),
            {
              name: 'none unavailable',
              path: '{.status.unavailableReplicas}',
              default: 0,
              value: { static: 0 },
            },
          ],
        }],
      }],
    }],
  },
}
