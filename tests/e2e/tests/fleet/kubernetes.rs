//! The Kubernetes examples against the schemas of Kubernetes.

use crate::scene::program;
use e2e::process;
use e2e::sample::workspace;
use std::process::Command;

#[test]
fn the_examples_are_valid_and_a_wrong_field_would_be_found() -> e2e::Result<()> {
    let file = workspace().join("packaging/kubernetes/emqx.yaml");
    let validate = |file: &std::path::Path| -> e2e::Result<process::Finished> {
        let mut validate = Command::new(program("kubernetes-validate")?);
        process::run(validate.arg("--strict").arg(file), process::HANG)
    };
    validate(&file)?.success()?.says("statefulset/emqx")?;
    let scratch = tempfile::tempdir()?;
    let wrong = scratch.path().join("wrong.yaml");
    let text = fs_err::read_to_string(file)?;
    fs_err::write(&wrong, text.replace("failureThreshold", "failureTreshold"))?;
    validate(&wrong)?.exit_code(1)?.says("failureTreshold")?;
    Ok(())
}
