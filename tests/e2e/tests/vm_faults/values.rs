//! The state of a VM as values: everything that an undone hop must have left as it was.

use e2e::install::Install;
use e2e::{Result, node};
use std::collections::BTreeMap;

/// Processes below the supervisors of EMQX's applications, but for those of the dashboard, which the
/// hops restart.
const PROCESSES: &str = "lists:append([Walk(Top) || {A, _, _} <- application:which_applications(), \
    lists:prefix(\"emqx\", atom_to_list(A)), A =/= emqx_dashboard, \
    Master <- [application_controller:get_master(A)], is_pid(Master), \
    {Top, _} <- [application_master:get_child(Master)]])";
const WALK: &str = "Walk = fun Walk(S) -> [S | lists:append([case T of supervisor -> Walk(C); \
    worker -> [C] end || {_, C, T, _} <- supervisor:which_children(S), is_pid(C)])] end";

/// Processes that were left suspended: they wait where a suspended process does.
pub(super) const SUSPENDED: &str = "[P || P <- processes(), process_info(P, current_function) =:= \
    {current_function, {sys, suspend_loop_hib, 3}}]";

/// The name of what tells whether the agent was taken out again, which only a command can do.
pub(super) const AGENT: &str = "agent";

/// What is compared, by name.
pub(super) type Values = BTreeMap<&'static str, String>;

/// Looks at everything.
pub(super) fn of(install: &Install) -> Result<Values> {
    let questions = [
        (
            "modules",
            "lists:sort([{M, erlang:get_module_info(M, md5), code:is_loaded(M)} || {M, _} <- code:all_loaded(), \
             not lists:prefix(\"emqx_hot_apply\", atom_to_list(M))])"
                .to_owned(),
        ),
        (
            AGENT,
            "[M || {M, _} <- code:all_loaded(), lists:prefix(\"emqx_hot_apply\", atom_to_list(M))]"
                .to_owned(),
        ),
        ("code path", "code:get_path()".to_owned()),
        (
            "applications",
            "lists:sort([{A, V} || {A, _, V} <- application:which_applications()])".to_owned(),
        ),
        (
            "restart types",
            "lists:sort(proplists:get_value(started, application:info()))".to_owned(),
        ),
        (
            "specifications",
            "[{A, application:get_all_key(A)} || {A, _, _} <- lists:sort(application:loaded_applications())]"
                .to_owned(),
        ),
        (
            "environment",
            "[{A, lists:sort(application:get_all_env(A))} || {A, _, _} <- lists:sort(application:loaded_applications())]"
                .to_owned(),
        ),
        (
            "states",
            format!("begin {WALK}, [{{P, catch sys:get_state(P, 1000)}} || P <- lists:sort({PROCESSES})] end"),
        ),
        (
            "process dictionaries",
            format!(
                "begin {WALK}, [{{P, lists:sort(element(2, process_info(P, dictionary)))}} || \
                 P <- lists:sort({PROCESSES})] end"
            ),
        ),
        ("suspended", SUSPENDED.to_owned()),
        (
            "tables",
            format!(
                "begin {WALK}, Own = {PROCESSES}, [{{T, lists:sort(ets:tab2list(T))}} || \
                 T <- lists:sort(ets:all()), lists:member(ets:info(T, owner), Own), \
                 ets:info(T, protection) =/= private] end"
            ),
        ),
        ("version", "emqx_release:version()".to_owned()),
        ("process id", "os:getpid()".to_owned()),
    ];
    questions
        .into_iter()
        .map(|(name, question)| Ok((name, node::eval(install, &question)?)))
        .collect()
}

/// What is different, a line each.
pub(super) fn differences(before: &Values, after: &Values) -> Vec<String> {
    let pairs = before.iter().zip(after.values());
    let different = pairs.filter(|((_, was), is)| was != is);
    different
        .flat_map(|((name, was), is)| {
            let (was, is): (Vec<_>, Vec<_>) = (was.lines().collect(), is.lines().collect());
            let only = |sign: char, these: &[&str], those: &[&str]| {
                these
                    .iter()
                    .filter(|line| !those.contains(line))
                    .take(8)
                    .map(|line| format!("{name}: {sign} {}", line.trim()))
                    .collect::<Vec<_>>()
            };
            [only('-', &was, &is), only('+', &is, &was)].concat()
        })
        .collect()
}
