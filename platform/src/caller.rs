//! Who calls: Kubernetes service-account tokens between the pods of a cluster.
