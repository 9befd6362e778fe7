//! How it looks: sizes, light and dark, contrast. `CHATD_BROWSER_SHOTS=DIR` keeps pictures.

use std::fs;

use serde_json::{Value, json};

use super::common::Daemon;
use super::page::Page;

/// Nothing is on its way from one colour to another.
const IS_STILL: &str = "document.getAnimations().length === 0";

const SIZES: [(u32, u32); 4] = [(320, 568), (390, 844), (768, 1024), (1440, 900)];

#[test]
fn the_page_is_small() {
    let bytes: u64 = ["index.html", "app.js", "style.css"]
        .iter()
        .map(|name| fs::metadata(format!("src/web/{name}")).unwrap().len())
        .sum();
    assert!(bytes <= 40_000, "{bytes} bytes");
}

#[test]
fn it_fits_every_screen_and_can_be_read_in_light_and_dark() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.enter("ben", &["lobby", "music"]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    ben.ask(json!({"do": "topic", "room": "lobby", "text": "A topic that is rather long, so long that no phone has room for all of it"}));
    ben.say_in("lobby", "Good morning, ann. See https://example.org/a/rather/long/address/that/does/not/end/soon/at/all?really=1");
    ben.say_in("lobby", &"wide".repeat(40));
    page.say("/me waves");
    page.say("/nope");
    page.expect("There is no /nope");
    page.expect("wide");
    for (width, height) in SIZES {
        page.size(width, height);
        for scheme in ["light", "dark"] {
            page.scheme(scheme);
            page.wait(&format!(
                "innerWidth === {width} && matchMedia('(prefers-color-scheme: {scheme})').matches"
            ));
            page.wait(IS_STILL);
            shoot(&mut page, &format!("{width}-{scheme}"));
            let wide = page.eval("[...document.querySelectorAll('#talk *, body')].filter((node) => node.checkVisibility() && node.getBoundingClientRect().right > innerWidth + 1).map((node) => node.outerHTML.slice(0, 80))");
            assert_eq!(wide, json!([]), "{width}");
            assert!(page.is("((field) => parseFloat(getComputedStyle(field).fontSize) >= 16 && field.getBoundingClientRect().bottom <= innerHeight)(document.querySelector('#text'))"));
            let faint = page.eval(FAINT);
            assert_eq!(faint, json!([]), "{width} {scheme}");
        }
    }
    page.expect_no_complaints();
}

#[test]
fn names_can_be_read_in_every_hue() {
    let chatd = Daemon::start(&[]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    page.say("hello");
    page.expect("hello");
    for scheme in ["light", "dark"] {
        page.scheme(scheme);
        page.wait(IS_STILL);
        for hue in (0..360).step_by(15) {
            page.eval(&format!(
                "document.querySelector('.said').style.setProperty('--hue', {hue})"
            ));
            assert_eq!(page.eval(FAINT), json!([]), "{scheme} {hue}");
        }
    }
}

/// Texts whose contrast with what is behind them is below the 4.5 : 1 of WCAG 2 (3 : 1 for large or bold
/// ones is not made use of). Colours are taken as they are painted, whatever they are written in.
const FAINT: &str = "(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const paint = (colors) => {
        for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = (rgb) => rgb.map((part) => part / 255)
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (node) => {
        const colors = [];
        for (let at = node; at; at = at.parentElement) colors.unshift(getComputedStyle(at).backgroundColor);
        return colors;
    };
    const faint = [];
    const look = (node, pseudo, colors) => {
        const style = getComputedStyle(node, pseudo);
        const ground = paint(colors), ink = paint([...colors, style.color]);
        const [low, high] = [luminance(ground), luminance(ink)].sort((a, b) => a - b);
        const contrast = (high + 0.05) / (low + 0.05);
        if (contrast < 4.5) faint.push([node.className || node.id || node.tagName, pseudo, style.color, contrast.toFixed(2)]);
    };
    for (const node of document.querySelectorAll('#house *')) {
        const isText = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
        if (!node.checkVisibility({ opacityProperty: true })) continue;
        if (isText) look(node, null, behind(node));
        if (node.dataset?.initial) look(node, '::before', [...behind(node), getComputedStyle(node, '::before').backgroundColor]);
    }
    look(document.querySelector('#text'), '::placeholder', behind(document.querySelector('#text')));
    return faint;
})()";

fn shoot(page: &mut Page, name: &str) {
    let Ok(directory) = std::env::var("CHATD_BROWSER_SHOTS") else {
        return;
    };
    let shot: Value = page.call("Page.captureScreenshot", json!({"format": "png"}));
    let bytes = decode(shot["data"].as_str().unwrap());
    fs::write(format!("{directory}/{name}.png"), bytes).unwrap();
}

/// Base64, without padding that matters.
fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}
