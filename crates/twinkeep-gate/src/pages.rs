//! The pages: HTML made on the server, for people.
//!
//! No scripts, nothing from elsewhere, and nothing that a program could not ask for as well: each
//! page shows the command that prints the same. A page calls the same use cases as the API.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use maud::{DOCTYPE, Markup, html};

use crate::refusal::Refusal;
use crate::request_id::RequestId;

pub(crate) mod assets;
pub(crate) mod home;
pub(crate) mod incident_pages;
pub(crate) mod model_pages;
pub(crate) mod twin_pages;
pub(crate) mod why_page;

/// Puts a page together.
fn page(title: &str, signed_in: Option<&str>, body: &Markup) -> Response<Body> {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Twinkeep" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="/icon.svg" type="image/svg+xml";
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header {
                    a.brand href="/" { "Twinkeep" }
                    @if let Some(name) = signed_in {
                        nav aria-label="Main" {
                            a href="/twins" { "Twins" }
                            " "
                            a href="/models" { "Models" }
                            " "
                            a href="/incidents" { "Incidents" }
                        }
                        form.sign-out method="post" action="/sign-out" {
                            span.who { (name) }
                            button type="submit" { "Sign out" }
                        }
                    }
                }
                main #main { (body) }
                footer {
                    "Statistical forecasts. Not a medical device, not clinically validated."
                }
            }
        }
    };
    html_response(markup)
}

/// The command that prints what a page shows.
fn command(text: &str) -> Markup {
    html! {
        p.command { span { "As a command" } " " code { (text) } }
    }
}

/// A refusal, as a page.
pub(crate) fn refused(refusal: &Refusal, id: RequestId) -> Response<Body> {
    if refusal.status == StatusCode::UNAUTHORIZED {
        let mut response = home::refused_form();
        *response.status_mut() = refusal.status;
        return response;
    }
    let title = refusal.status.canonical_reason().unwrap_or("Refused");
    let body = html! {
        h1 { (title) }
        p { (sentence(&refusal.message)) }
        p { a href="/" { "Back to the start" } }
        p.quiet { "Code " code { (refusal.code) } ", request " code { (id) } }
    };
    let mut response = page(title, None, &body);
    *response.status_mut() = refusal.status;
    response
}

/// Error messages are lower case without a full stop; on a page they are sentences.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

fn html_response(markup: Markup) -> Response<Body> {
    let mut response = Response::new(Body::from(markup.into_string()));
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}
