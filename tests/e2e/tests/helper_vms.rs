//! One VM answers all questions of a boot: what strace sees must be that one, then the node.

use e2e::exec_trace::{is_available, trace_boot};
use e2e::install::Install;
use e2e::sample::V4;

fn one_vm_comes_before_the_node(command: &str) -> e2e::Result<()> {
    if !is_available() {
        println!("not tried here: strace is not installed, or may not trace");
        return Ok(());
    }
    let install = Install::sample(V4)?;
    let execs = trace_boot(&install, &install.emqx_command(&[command]))?;
    assert_eq!(
        execs.vms_before_the_node(),
        Some(1),
        "{command} ran:\n{}",
        execs.lines().join("\n")
    );
    Ok(())
}

#[test]
fn foreground_starts_one_vm_before_the_node() -> e2e::Result<()> {
    one_vm_comes_before_the_node("foreground")
}

#[test]
fn start_and_its_console_process_start_one_vm_before_the_node() -> e2e::Result<()> {
    one_vm_comes_before_the_node("start")
}

#[test]
fn console_starts_one_vm_before_the_node() -> e2e::Result<()> {
    one_vm_comes_before_the_node("console")
}
