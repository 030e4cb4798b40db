//! The order of a hop: who is called comes before who calls.
//!
//! Pure: a graph in, groups of its nodes out. Nodes that call one another form one group, because
//! none of them can come before the others. Without a reason of its own an order is that of the
//! nodes' numbers, so that the same two releases always give the same file.

/// The strongly connected components of a graph, callees first, each in ascending order. `calls[n]`
/// are the nodes that `n` calls.
pub(crate) fn callees_first(calls: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search {
        calls,
        count: 0,
        met: vec![None; calls.len()],
        low: vec![0; calls.len()],
        waiting: Vec::new(),
        is_waiting: vec![false; calls.len()],
        groups: Vec::new(),
    };
    for node in 0..calls.len() {
        if search.met[node].is_none() {
            search.from(node);
        }
    }
    search.groups
}

/// Tarjan's algorithm, with a stack of its own: chains of calls are as long as they like.
struct Search<'g> {
    calls: &'g [Vec<usize>],
    count: usize,
    met: Vec<Option<usize>>,
    low: Vec<usize>,
    waiting: Vec<usize>,
    is_waiting: Vec<bool>,
    groups: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn from(&mut self, root: usize) {
        let mut path = vec![(root, 0)];
        while let Some((node, next)) = path.pop() {
            if next == 0 {
                self.met[node] = Some(self.count);
                self.low[node] = self.count;
                self.count += 1;
                self.waiting.push(node);
                self.is_waiting[node] = true;
            } else {
                // Back from the callee before this one.
                let callee = self.calls[node][next - 1];
                if self.is_waiting[callee] {
                    self.low[node] = self.low[node].min(self.low[callee]);
                }
            }
            let rest = self.calls[node].iter().enumerate().skip(next);
            let mut open = None;
            for (index, callee) in rest {
                match self.met[*callee] {
                    None => {
                        open = Some((index + 1, *callee));
                        break;
                    }
                    Some(met) if self.is_waiting[*callee] => {
                        self.low[node] = self.low[node].min(met);
                    }
                    Some(_) => {}
                }
            }
            if let Some((next, callee)) = open {
                path.push((node, next));
                path.push((callee, 0));
            } else if Some(self.low[node]) == self.met[node] {
                self.close(node);
            }
        }
    }

    fn close(&mut self, node: usize) {
        let start = self.waiting.iter().rposition(|waiting| *waiting == node);
        let mut group = self.waiting.split_off(start.unwrap_or_default());
        for node in &group {
            self.is_waiting[*node] = false;
        }
        group.sort_unstable();
        self.groups.push(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(calls: &[&[usize]], expected: &[&[usize]]) {
        let calls: Vec<Vec<usize>> = calls.iter().map(|list| list.to_vec()).collect();
        assert_eq!(callees_first(&calls), expected, "{calls:?}");
    }

    #[test]
    fn callees_come_first_and_circles_stay_together() {
        check(&[], &[]);
        check(&[&[], &[], &[]], &[&[0], &[1], &[2]]);
        check(&[&[1], &[2], &[]], &[&[2], &[1], &[0]]);
        check(&[&[1], &[0], &[]], &[&[0, 1], &[2]]);
        check(&[&[0]], &[&[0]]);
        check(&[&[2], &[], &[1, 3], &[0]], &[&[1], &[0, 2, 3]]);
        check(&[&[1, 2], &[3], &[3], &[]], &[&[3], &[1], &[2], &[0]]);
        check(
            &[&[1], &[2], &[1, 3], &[4], &[3]],
            &[&[3, 4], &[1, 2], &[0]],
        );
    }

    #[test]
    fn long_chains_do_not_exhaust_the_stack() {
        let len = 200_000;
        let calls: Vec<Vec<usize>> = (1..=len)
            .map(|next| if next < len { vec![next] } else { vec![] })
            .collect();
        let groups = callees_first(&calls);
        assert_eq!((groups.len(), &groups[0]), (len, &vec![len - 1]));
    }

    /// Whatever the graph is, nobody in an earlier group leads to a later one.
    #[test]
    fn no_group_calls_a_later_one() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..500 {
            let nodes = random.usize(1..12);
            let calls: Vec<Vec<usize>> = (0..nodes)
                .map(|_| {
                    (0..random.usize(0..4))
                        .map(|_| random.usize(0..nodes))
                        .collect()
                })
                .collect();
            let groups = callees_first(&calls);
            let place = |node| groups.iter().position(|group| group.contains(&node));
            for (node, callees) in calls.iter().enumerate() {
                for callee in callees {
                    assert!(place(*callee) <= place(node), "{calls:?} {groups:?}");
                }
            }
            assert_eq!(groups.concat().len(), nodes);
        }
    }
}
