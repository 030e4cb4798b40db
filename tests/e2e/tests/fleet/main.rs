//! The Ansible collection of `packaging/ansible`, as operators use it: built, installed, and run by
//! `ansible-playbook` against three real nodes; and the examples for Kubernetes.

mod kubernetes;
mod refused;
mod rollout;
mod scene;
