//! The dialogue with the helper VM that prepares a boot: what the VM is told to evaluate, how a
//! request is written, how an answer is read. Text in, text out; the process is the caller's.

/// The helper's functions, which the VM evaluates without compiling them.
const SOURCE: &str = include_str!("../erl/emqx_boot_helper.erl");

/// Reads the helper's source from the first line of input, makes a table of its functions, and
/// evaluates `main` with every call of a local function looked up there.
const LOADER: &str = r#"
    {ok, Tokens, _} = erl_scan:string(binary_to_list(
        binary:decode_hex(list_to_binary(string:trim(io:get_line("")))))),
    Forms = fun
        Forms([], [], Done) -> Done;
        Forms([{dot, _} = Dot | Rest], Form, Done) ->
            {ok, Parsed} = erl_parse:parse_form(lists:reverse([Dot | Form])),
            Forms(Rest, [], [Parsed | Done]);
        Forms([Token | Rest], Form, Done) -> Forms(Rest, [Token | Form], Done)
    end,
    Functions = maps:from_list(
        [{{Name, Arity}, {'fun', Anno, {clauses, Clauses}}}
         || {function, Anno, Name, Arity, Clauses} <- Forms(Tokens, [], [])]),
    Call = fun Call(Name, Args) ->
        Function = maps:get({Name, length(Args)}, Functions),
        {value, Fun, _} = erl_eval:expr(Function, erl_eval:new_bindings(), {value, Call}),
        apply(Fun, Args)
    end,
"#;

/// What the helper answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It did what was asked; the words of its answer, as bytes.
    Done(Vec<Vec<u8>>),
    /// The release says no: the configuration or the licence is not good. Lines for people.
    Refused(Vec<String>),
    /// It could not do what was asked, which says nothing about the configuration.
    Failed(String),
}

/// A dialogue with one helper. Its answers carry a mark that no other output has.
#[derive(Debug, Clone)]
pub struct Dialogue {
    mark: String,
}

impl Dialogue {
    /// A dialogue under a number that nobody else uses.
    #[must_use]
    pub fn new(unique: u64) -> Dialogue {
        Dialogue {
            mark: format!("@{unique:016x}"),
        }
    }

    /// The expressions that the VM is started with (`-eval`).
    #[must_use]
    pub fn program(&self) -> String {
        let words: Vec<&str> = LOADER.split_whitespace().collect();
        format!("{} Call(main, [\"{}\"]).", words.join(" "), self.mark)
    }

    /// The first line of its input: the helper itself.
    #[must_use]
    pub fn source() -> String {
        hex::encode(SOURCE) + "\n"
    }

    /// A request as a line of its input.
    pub fn request<A: AsRef<[u8]>>(verb: &str, args: impl IntoIterator<Item = A>) -> String {
        let mut line = word(verb.as_bytes());
        for arg in args {
            line.push(' ');
            line.push_str(&word(arg.as_ref()));
        }
        line.push('\n');
        line
    }

    /// Reads a line of its output; `None` when it is no answer but words for people.
    #[must_use]
    pub fn answer(&self, line: &str) -> Option<Answer> {
        let words = line.strip_prefix(&self.mark)?.split_whitespace();
        let words: Option<Vec<Vec<u8>>> = words
            .map(|word| hex::decode(word.strip_prefix('x')?).ok())
            .collect();
        let mut words = words?;
        let rest = words.split_off(words.len().min(1));
        Some(match words.first().map(Vec::as_slice) {
            Some(b"ok") => Answer::Done(rest),
            Some(b"refused") => Answer::Refused(texts(&rest)),
            Some(_) | None => Answer::Failed(texts(&rest).join(" ")),
        })
    }
}

fn word(bytes: &[u8]) -> String {
    format!("x{}", hex::encode(bytes))
}

fn texts(words: &[Vec<u8>]) -> Vec<String> {
    words
        .iter()
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_whatever_it_holds() {
        assert_eq!(
            Dialogue::request("setenv", ["A B", "", "é\n"]),
            "x736574656e76 x412042 x xc3a90a\n"
        );
    }

    #[test]
    fn only_marked_lines_are_answers() {
        let dialogue = Dialogue::new(7);
        let check = |line: &str, expected: Option<Answer>| {
            assert_eq!(dialogue.answer(line), expected, "{line}");
        };
        check("EMQX_X [x]: y", None);
        check("@0000000000000008 x6f6b", None);
        check("@0000000000000007 x6f6b", Some(Answer::Done(Vec::new())));
        check(
            "@0000000000000007 x6f6b x x41ff\n",
            Some(Answer::Done(vec![Vec::new(), vec![0x41, 0xff]])),
        );
        check(
            "@0000000000000007 x72656675736564 x6e6f",
            Some(Answer::Refused(vec!["no".into()])),
        );
        check("@0000000000000007", Some(Answer::Failed(String::new())));
    }
}
