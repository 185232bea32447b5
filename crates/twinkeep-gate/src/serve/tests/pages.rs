//! The pages as a browser meets them.

use super::{Answer, Served, TestKeep, new_key, settings};
use twinkeep_app::{Caller, DetectionTarget, DrillRequest, NoteAbout, Scope};

const HTML: &str = "Accept: text/html\r\n";

async fn sign_in(served: &Served, key: &str, origin: &str) -> Answer {
    let body = format!("key={key}");
    let lines = format!(
        "{HTML}{origin}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
        body.len()
    );
    served.send("POST", "/sign-in", &lines, &body).await
}

async fn page(served: &Served, path: &str, cookie: &str) -> Answer {
    served.send("GET", path, &format!("{HTML}Cookie: {cookie}\r\n"), "").await
}

const OWN: &str = "Sec-Fetch-Site: same-origin\r\n";

#[tokio::test]
async fn a_person_signs_in_looks_at_a_twin_and_signs_out() {
    let served = Served::open(TestKeep::shared(), settings());
    let start = page(&served, "/", "").await;
    assert_eq!(start.status, 200);
    assert!(start.body.contains("action=\"/sign-in\""));
    let signed = sign_in(&served, &served.key, OWN).await;
    assert_eq!((signed.status, signed.header("location")), (303, Some("/twins")), "{signed:?}");
    let cookie = signed.header("set-cookie").unwrap().to_owned();
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
    let (cookie, _) = cookie.split_once(';').unwrap();
    assert_eq!(cookie.len(), "__Host-twinkeep=".len() + 64);
    assert_eq!(page(&served, "/", cookie).await.header("location"), Some("/twins"));
    let list = page(&served, "/twins", cookie).await;
    assert_eq!(list.status, 200);
    assert!(list.body.contains("twinkeep twin list"));
    let at = list.body.find("/twins/sub-").unwrap();
    let link = &list.body[at..at + "/twins/sub-".len() + 16];
    let twin = page(&served, &format!("{link}?at_hours=24"), cookie).await;
    assert_eq!(twin.status, 200);
    assert_eq!(twin.body.matches("<svg").count(), 2, "one fan chart a target");
    assert!(twin.body.contains(&format!("twinkeep twin forecast {} --at 24", &link[7..])));
    assert!(twin.body.contains("Heart rate &lt;b&gt;") && !twin.body.contains("<b>"));
    let why = format!("{link}/why?target=HR&amp;at_hours=24");
    assert!(twin.body.contains(&format!("href=\"{why}\"")), "{}", twin.body);
    let why = page(&served, &why.replace("&amp;", "&"), cookie).await;
    assert_eq!(why.status, 200, "{why:?}");
    assert_eq!(why.body.matches("<svg").count(), 1);
    assert!(why.body.contains("How such forecasts did so far") && !why.body.contains("<b>"));
    let command = format!("twinkeep twin explain {} --target HR --at 24", &link[7..]);
    assert!(why.body.contains(&command), "{}", why.body);
    let unknown = page(&served, &format!("{link}/why?target=SECRET"), cookie).await;
    assert_eq!(unknown.status, 422);
    assert!(!unknown.body.contains("SECRET"));
    let models = page(&served, "/models", cookie).await;
    assert_eq!(models.status, 200, "{models:?}");
    let at = models.body.find("/models/").unwrap();
    let version = models.body[at..].split('"').next().unwrap();
    assert!(twin.body.contains(&format!("href=\"{version}\"")));
    let model = page(&served, version, cookie).await;
    assert_eq!(model.status, 200, "{model:?}");
    assert!(model.body.contains("Median MASE") && model.body.contains("<code>HR</code>"));
    let unknown = page(&served, "/models/SECRET", cookie).await;
    assert!(unknown.status == 404 && !unknown.body.contains("SECRET"), "{unknown:?}");
    let out =
        served.send("POST", "/sign-out", &format!("{HTML}{OWN}Cookie: {cookie}\r\n"), "").await;
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    let after = page(&served, "/twins", cookie).await;
    assert_eq!((after.status, after.header("location")), (303, Some("/")));
}

#[tokio::test]
async fn a_form_from_another_site_or_with_a_wrong_key_opens_nothing() {
    let served = Served::open(TestKeep::shared(), settings());
    for origin in ["", "Sec-Fetch-Site: cross-site\r\n", "Origin: https://evil\r\n"] {
        let answer = sign_in(&served, &served.key, origin).await;
        assert_eq!(answer.status, 403, "{origin}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    let wrong = sign_in(&served, "tk_wrong", OWN).await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    assert!(wrong.body.contains("This key is not valid") && !wrong.body.contains("tk_wrong"));
    let answer = sign_in(&served, &served.key, "Origin: https://localhost\r\n").await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn a_session_opens_pages_only_and_ends_with_its_key() {
    let keep = TestKeep::shared();
    let served = Served::open(keep, settings());
    let key = new_key(keep, &[Scope::ReadTwins]);
    let signed = sign_in(&served, &key, OWN).await;
    let cookie = signed.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let lines = format!("Cookie: {cookie}\r\n");
    assert_eq!(served.send("GET", "/api/v1/twins", &lines, "").await.status, 401);
    assert_eq!(page(&served, "/twins", &cookie).await.status, 200);
    let id = keep.app.authenticate(&key).unwrap().id;
    let id = id.strip_prefix("key:").unwrap();
    twinkeep_app::revoke_api_key(&keep.app, &Caller::operator(), id).unwrap();
    assert_eq!(page(&served, "/twins", &cookie).await.status, 303);
}

#[tokio::test]
async fn pages_load_nothing_but_their_own_and_run_nothing() {
    let served = Served::open(TestKeep::shared(), settings());
    let signed = sign_in(&served, &served.key, OWN).await;
    let cookie = signed.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let list = page(&served, "/twins", &cookie).await;
    let at = list.body.find("/twins/sub-").unwrap();
    let twin = page(&served, &list.body[at..at + 27], &cookie).await;
    for answer in [page(&served, "/", "").await, list, twin] {
        let body = &answer.body;
        for banned in
            ["<script", "<style", " style=", "javascript:", "onclick", "onload", "<iframe"]
        {
            assert!(!body.contains(banned), "{banned}");
        }
        for (at, _) in body.match_indices("http") {
            assert!(body[at..].starts_with("http://www.w3.org/2000/svg"), "{}", &body[at..at + 40]);
        }
    }
    for (path, kind) in [("/style.css", "text/css; charset=utf-8"), ("/icon.svg", "image/svg+xml")]
    {
        let asset = page(&served, path, "").await;
        assert_eq!((asset.status, asset.header("content-type")), (200, Some(kind)));
    }
}

#[tokio::test]
async fn every_color_of_a_chart_has_a_dark_one() {
    let served = Served::open(TestKeep::shared(), settings());
    let signed = sign_in(&served, &served.key, OWN).await;
    let cookie = signed.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let list = page(&served, "/twins", &cookie).await;
    let at = list.body.find("/twins/sub-").unwrap();
    let twin = page(&served, &list.body[at..at + 27], &cookie).await;
    let style = page(&served, "/style.css", "").await.body;
    let mut found = 0;
    for name in ["fill", "stroke"] {
        for (at, start) in twin.body.match_indices(&format!("{name}=\"#")) {
            let color = &twin.body[at..at + start.len() + 7];
            assert!(style.contains(&format!(".chart [{color}]")), "{color} has no dark color");
            found += 1;
        }
    }
    assert!(20 < found);
}

#[tokio::test]
async fn a_person_with_the_scope_for_it_looks_at_an_incident() {
    let keep = TestKeep::shared();
    let served = Served::open(keep, settings());
    let target = DetectionTarget::Route("/api/v1/<b>".to_owned());
    let drill = DrillRequest { detector: "file-access", severity: "low", target };
    let operator = Caller::operator();
    let opened = twinkeep_app::drill_incident(&keep.app, &operator, &drill).unwrap();
    let id = opened.id.as_str();
    twinkeep_app::note_incident(&keep.app, &operator, id, NoteAbout::Contact, "dpo <i>").unwrap();
    let cookie_of = async |scopes: &[Scope]| {
        let signed = sign_in(&served, &new_key(keep, scopes), OWN).await;
        signed.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    };
    let cookie = cookie_of(&[Scope::ReadIncidents]).await;
    assert_eq!(page(&served, "/", &cookie).await.header("location"), Some("/incidents"));
    let list = page(&served, "/incidents", &cookie).await;
    assert_eq!(list.status, 200, "{list:?}");
    assert!(list.body.contains(&format!("href=\"/incidents/{id}\"")));
    let path = format!("/incidents/{id}");
    let shown = page(&served, &path, &cookie).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let [evidence, state, seen] =
        [opened.evidence["evidence"].as_str(), "contained", "file-access"];
    for part in [evidence, state, seen, "GDPR art. 33(1)", "preserve-evidence", "notify"] {
        assert!(shown.body.contains(part), "{part}: {}", shown.body);
    }
    assert!(shown.body.contains(&format!("twinkeep incident show {id}")));
    let report = page(&served, &format!("{path}/report"), &cookie).await;
    assert_eq!(report.status, 200, "{report:?}");
    assert!(report.body.contains("Exercise: report") && report.body.contains("dpo &lt;i&gt;"));
    assert_eq!(report.body.matches("Missing: nobody has said.").count(), 5);
    for answer in [&list, &shown, &report] {
        let body = &answer.body;
        for banned in ["<b>", "<i>", "<script", "<style", " style=", "http"] {
            assert!(!body.contains(banned), "{banned}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
    }
    for unknown in ["/incidents/inc-999999", "/incidents/SECRET", "/incidents/SECRET/report"] {
        let answer = page(&served, unknown, &cookie).await;
        assert!(answer.status == 404 && !answer.body.contains("SECRET"), "{answer:?}");
    }
    // Whoever may look at twins may not look at this.
    let other = cookie_of(&[Scope::ReadTwins]).await;
    for path in ["/incidents", &path, &format!("{path}/report")] {
        let answer = page(&served, path, &other).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(!answer.body.contains("file-access"), "{path}");
    }
    assert_eq!(page(&served, "/incidents", "").await.status, 303);
}
