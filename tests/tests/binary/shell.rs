//! What a shell and a reader of manuals get: completions that complete, pages that render.

use std::fs;
use std::process::Stdio;

use testkit::Folder;
use tokio::process::Command;

async fn output(arguments: &[&str]) -> String {
    let output = tests::grantline(arguments).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every command that `--help` names.
async fn commands() -> Vec<String> {
    let help = output(&["--help"]).await;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    // A description may go on in the next line, further to the right.
    let names = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.map(|line| line.split_whitespace().next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}

/// What bash offers for the last of these words, with the function that it has for the
/// program.
const COMPLETE: &str = r#"
    source "$1"
    shift
    function_of_it=$(complete -p grantline | sed 's/.*-F \([^ ]*\) .*/\1/')
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
    "$function_of_it" grantline "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\n' "${COMPREPLY[@]}"
"#;

#[tokio::test]
async fn bash_completes_commands_options_and_values() {
    let folder = Folder::new();
    let script = folder.join("grantline.bash");
    fs::write(&script, output(&["completions", "bash"]).await).unwrap();
    let offered = async |words: &[&str]| {
        let bash = Command::new("bash")
            .args(["--norc", "-euc", COMPLETE, "bash"])
            .arg(&script)
            .arg("grantline")
            .args(words)
            .output();
        let bash = bash.await.unwrap();
        assert_eq!(String::from_utf8_lossy(&bash.stderr), "", "{words:?}");
        let offered = String::from_utf8(bash.stdout).unwrap();
        offered.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    for (words, only) in [
        (&["pl"][..], "play"),
        (&["serve", "--d"], "--data"),
        (&["worker", "--ki"], "--kinds"),
        (&["completions", "z"], "zsh"),
        (&["order", "7", "--js"], "--json"),
    ] {
        assert_eq!(offered(words).await, [only], "{words:?}");
    }
    let all = offered(&[""]).await;
    for command in commands().await {
        assert!(all.contains(&command), "{command} in {all:?}");
    }
}

#[tokio::test]
async fn every_command_has_a_page_that_renders_without_a_warning() {
    let folder = Folder::new();
    let pages = folder.join("share/man1");
    output(&["man", "--dir", pages.to_str().unwrap()]).await;
    let commands = commands().await;
    let named = commands
        .iter()
        .map(|command| format!("grantline-{command}.1"));
    for name in named.chain(["grantline.1".to_owned()]) {
        assert!(pages.join(&name).exists(), "{name}");
    }
    let whole = output(&["man"]).await;
    assert_eq!(
        whole,
        fs::read_to_string(pages.join("grantline.1")).unwrap()
    );
    for command in commands {
        let name = format!("grantline-{command}(1)").replace('-', "\\-");
        assert!(whole.contains(&name), "{name} in {whole}");
    }
    for page in fs::read_dir(&pages).unwrap() {
        let page = page.unwrap().path();
        let groff = Command::new("groff")
            .args(["-man", "-ww", "-z", "-Tutf8", "-k"])
            .arg(&page)
            .stdin(Stdio::null())
            .output();
        // Not every machine that runs the tests has one.
        let Ok(rendered) = groff.await else { return };
        let said = String::from_utf8_lossy(&rendered.stderr);
        assert!(
            rendered.status.success() && said.is_empty(),
            "{page:?}: {said}"
        );
    }
}
