//! Pages in a real browser: nothing of them is wider than a telephone, nothing is fetched, and the table does what it says.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::cli::compat::Desk;
use crate::cli::story::{Config, Test};
use crate::needs::skip;

/// Shows a page in a frame of a telephone's width, runs a script on its document `d`, and gives what that returns.
fn in_a_browser(page: &str, script: &str) -> Option<Value> {
    let folder = tempfile::tempdir().unwrap();
    // What ends the script early may stand in the page.
    let page = json!(page).to_string().replace("</", "<\\/");
    let around = format!(
        "<!doctype html><meta charset=utf-8><iframe id=f style='width:400px;height:900px;border:0'></iframe><pre id=out></pre>
        <script>
        const f = document.getElementById('f');
        f.onload = () => {{
          const d = f.contentDocument, root = d.documentElement;
          const told = (() => {{ {script} }})();
          document.getElementById('out').textContent = 'TOLD' + JSON.stringify({{ width: root.scrollWidth,
            fetched: f.contentWindow.performance.getEntriesByType('resource').length, told }}) + 'TOLD';
        }};
        f.srcdoc = {page};
        </script>"
    );
    let file = folder.path().join("around.html");
    std::fs::write(&file, around).unwrap();
    let run = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-sync",
            "--disable-component-update",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .args(["--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("file://{}", file.display()))
        .output();
    let Ok(run) = run else {
        skip("no browser at hand: apt-get install chromium");
        return None;
    };
    let text = String::from_utf8_lossy(&run.stdout);
    let told = text
        .rsplit("<pre id=\"out\">TOLD")
        .next()
        .and_then(|t| t.split("TOLD").next());
    let told = told
        .unwrap_or_default()
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">");
    let Ok(told) = serde_json::from_str(&told) else {
        panic!(
            "the page has not loaded: {text}\n{}",
            String::from_utf8_lossy(&run.stderr)
        );
    };
    Some(told)
}

/// Checks what holds of every page, and gives what a script on it returns.
fn looks_well(page: &str, script: &str) -> Option<Value> {
    assert!(
        page.starts_with("<!doctype html>") && page.contains("default-src 'none'"),
        "{page}"
    );
    let told = in_a_browser(page, script)?;
    assert!(
        told["width"].as_u64().unwrap() <= 400,
        "it is too wide: {}",
        told["width"]
    );
    assert_eq!(told["fetched"], 0);
    Some(told["told"].clone())
}

#[test]
fn plans_and_statuses_fit_a_telephone() {
    let Some(t) = Test::begin() else { return };
    let long = "an-unbroken-word-of-some-length-".repeat(7);
    t.activate(&Config::new().copy("app.conf", "0644", "old\n"));
    std::fs::write(t.path("etc/app.conf"), "by hand\n").unwrap();
    let next =
        t.build(&Config::new().copy(&format!("folder/{long}"), "0644", &format!("{long}\n")));
    let run = |arguments: &[&Path]| t.run(arguments).exits(0).stdout;
    let plan = run(&["plan".as_ref(), &next, "--html".as_ref()]);
    let parts = "return [...d.querySelectorAll('summary')].map((s) => s.textContent)";
    let Some(told) = looks_well(&plan, parts) else {
        return;
    };
    assert!(told.to_string().contains("Files"), "{told}");

    let status = run(&["status".as_ref(), "--html".as_ref(), "--diff".as_ref()]);
    let told = looks_well(&status, "return d.body.innerText").unwrap();
    let told = told.as_str().unwrap();
    assert!(
        told.contains("drift: /etc/app.conf was") && told.contains("+by hand"),
        "{told}"
    );
    let markdown = run(&["status".as_ref(), "--markdown".as_ref(), "--diff".as_ref()]);
    assert!(
        markdown.starts_with("## system-manager\n") && markdown.contains("```diff\n"),
        "{markdown}"
    );
    assert!(markdown.contains("drift: /etc/app.conf was"), "{markdown}");
}

#[test]
fn the_table_of_modules_is_searched_sorted_and_chosen_from() {
    let Some(desk) = Desk::begin() else { return };
    let page = desk.run(&["--html"]).exits(0).stdout;
    let script = "
      const rows = () => [...d.querySelectorAll('#modules tbody tr')].filter((r) => r.offsetParent !== null);
      const names = () => rows().map((r) => r.cells[0].textContent);
      const all = names();
      const search = d.getElementById('search');
      search.value = all[0]; search.dispatchEvent(new Event('input'));
      const found = names();
      search.value = ''; search.dispatchEvent(new Event('input'));
      const sort = d.querySelector('#modules th button');
      sort.click();
      const up = names();
      sort.click();
      const down = names();
      const choice = d.querySelectorAll('fieldset input')[1];
      choice.click();
      const chosen = [...new Set(rows().map((r) => r.dataset.verdict))];
      return { all, found, up, down, chosen, id: choice.id };";
    let Some(told) = looks_well(&page, script) else {
        return;
    };
    let list = |name: &str| -> Vec<String> { serde_json::from_value(told[name].clone()).unwrap() };
    let all = list("all");
    assert!(all.len() > 2, "{told}");
    assert_eq!(list("found"), [all[0].clone()]);
    let mut turned = list("down");
    assert_ne!(turned, list("up"));
    turned.reverse();
    assert_eq!(turned, list("up"));
    let chosen = list("chosen");
    assert_eq!(told["id"], format!("only-{}", chosen[0]));
    assert_eq!(chosen.len(), 1);
}
