// Makes the schemas by which .ci/chart validates what the chart renders.
module privlink.dev/kubeconform

go 1.24.0

require sigs.k8s.io/yaml v1.4.0
