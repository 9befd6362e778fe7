//! Names through the public interface: which are good, why the others are not, and which are
//! one and the same. Not here: whether a name is free, which is the directory's.

use std::collections::HashMap;

use chatd::chat::name::{BadName, Name};
use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::Profile;
use unicode_normalization::UnicodeNormalization;
use unicode_security::skeleton;

fn good(text: &str) -> Name {
    match Name::parse(text) {
        Ok(name) => name,
        Err(reason) => panic!("{text:?} is refused: {reason}"),
    }
}

fn are_one(one: &Name, other: &Name) -> bool {
    one.keys().any(|key| other.keys().any(|also| also == key))
}

#[test]
fn good_names_are_shown_as_they_were_typed() {
    let names = [
        "a",
        "7",
        "ann",
        "Ann",
        "ANN",
        "ann_b",
        "ann-b",
        "ann.b",
        "a.",
        "x_",
        "2fast",
        "c0",
        "c9999",
        "a12345678901234567890123",
        "1790000000123",
        "10.0.0",
        "10.0.0.1.2",
        "10.0.0.a",
        "10.0.0.",
        "3.14",
        "2-4-6",
        "2-a",
        "2-",
        // Names that the rules about look-alikes must leave alone.
        "Ali",
        "ali",
        "ALI",
        "ALİ",
        "Gail",
        "Neil",
        "Ian",
        "Emma",
        "Bob",
        "Mia",
        "O",
        "adm",
        "Theo",
        "Zoë",
        "José",
        "Øyvind",
        "Łukasz",
        "Strauß",
        "Nguyễn",
        "İnci",
        "Işık",
        "Đỗ",
        "Þóra",
        "Ægir",
        "Вера",
        "вера",
        "Юля",
        "Юра",
        "Гена",
        "Галя",
        "Григорий",
        "Борис",
        "Боб",
        "Наталья",
        "Мара",
        "Ольга",
        "Тата",
        "Її",
        "Ёлка",
        "Νίκος",
        "Γιώργος",
        "Άννα",
        "Ελένη",
        "νίνα",
        "ΓΙΩΡΓΟΣ",
        "ΑΝΝΑ",
        "Νόνα",
        "Մարիամ",
        "Հայկ",
        "ნინო",
        "שרה",
        "שָׁלוֹם",
        "محمد",
        "مُحَمَّد",
        "ދިވެހި",
        "سارا123",
        "علی",
        "अनिल",
        "ศักดิ์",
        "மணி",
        "မြွှေ့",
        "អ្នក",
        "አበበ",
        "ᏣᎳᎩ",
        // One script each by the augmented sets of UTS 39: Japanese, Korean, Han with Bopomofo.
        "山田",
        "たなか",
        "タナカ",
        "山田たろう",
        "ラーメン屋さん",
        "김철수",
        "金철수",
        "李ㄅㄆ",
        "王小明",
        "山田1",
        "ﾀﾅｶ",
        "Ａｎｎ",
    ];
    for text in names {
        let name = good(text);
        let composed: String = text.nfc().collect();
        assert_eq!(name.as_str(), composed);
        assert_eq!(name.to_string(), composed);
        assert!(name.keys().all(|key| !key.is_empty()));
    }
    assert_eq!(good("Zoe\u{308}").as_str(), "Zo\u{eb}");
}

#[test]
fn bad_names_are_refused_with_the_reason() {
    use BadName::*;
    let table: &[(&str, BadName)] = &[
        ("", Empty),
        ("a123456789012345678901234", TooLong),
        ("ééééééééééééééééééééééééé", TooLong),
        ("_ann", Start),
        ("-ann", Start),
        (".ann", Start),
        ("\u{301}ann", Start),
        ("\u{93f}क", Start),
        (" ann", Character(' ')),
        ("ann ", Character(' ')),
        ("an n", Character(' ')),
        ("ann\t", Character('\t')),
        ("ann\u{a0}b", Character('\u{a0}')),
        ("a\u{3000}b", Character('\u{3000}')),
        ("a\u{2028}b", Character('\u{2028}')),
        ("a\nb", Character('\n')),
        ("a\rb", Character('\r')),
        ("<ann>", Character('<')),
        ("ann>", Character('>')),
        ("an/n", Character('/')),
        ("a,b", Character(',')),
        ("a@b", Character('@')),
        ("a:b", Character(':')),
        ("a'b", Character('\'')),
        ("*", Character('*')),
        ("a\u{2019}b", Character('\u{2019}')),
        ("a\u{2024}b", Character('\u{2024}')),
        ("a\u{2010}b", Character('\u{2010}')),
        ("😀", Character('😀')),
        ("a\u{fffd}", Character('\u{fffd}')),
        ("a\u{e000}", Character('\u{e000}')),
        ("ﬁn", Character('ﬁ')),
        ("x²", Character('²')),
        ("Ⅷ", Character('Ⅷ')),
        ("𝐚𝐧𝐧", Character('𝐚')),
        ("a\u{b7}b", Character('\u{b7}')),
        ("Ａ．ｂ", Character('．')),
        ("\u{1100}\u{1100}", Character('\u{1100}')),
        ("a\u{378}", Character('\u{378}')),
        ("a\0b", Invisible),
        ("a\u{7f}", Invisible),
        ("a\u{1b}[2J", Invisible),
        ("a\u{9b}m", Invisible),
        ("a\u{200b}b", Invisible),
        ("a\u{200c}b", Invisible),
        ("a\u{200d}b", Invisible),
        ("\u{feff}ann", Invisible),
        ("a\u{ad}b", Invisible),
        ("a\u{2060}b", Invisible),
        ("a\u{34f}b", Invisible),
        ("a\u{fe0f}", Invisible),
        ("a\u{202e}nna", Invisible),
        ("a\u{2066}b\u{2069}", Invisible),
        ("a\u{200f}", Invisible),
        ("a\u{61c}", Invisible),
        ("\u{3164}", Invisible),
        ("\u{115f}\u{1160}", Invisible),
        ("a\u{e0041}", Invisible),
        ("e\u{301}\u{301}", Marks),
        ("a\u{316}\u{317}\u{318}\u{319}\u{31c}", Marks),
        ("аnn", MixedScript),
        ("pаypal", MixedScript),
        ("Αnn", MixedScript),
        ("ann山田", MixedScript),
        ("たろう김", MixedScript),
        ("annшура", MixedScript),
        ("Νинa", MixedScript),
        ("1שרה", Bidi),
        ("שרה_", Bidi),
        ("سارا-", Bidi),
        ("שרה-1.", Bidi),
        ("سارا1٢", Bidi),
        ("10.0.0.1", Address),
        ("127.000.000.001", Address),
        ("1.2.3.400", Address),
        ("１０.0.0.1", Address),
        ("1790000000123-0", MessageId),
        ("2-4", MessageId),
        ("１７９0-0", MessageId),
    ];
    for (text, reason) in table {
        assert_eq!(Name::parse(text).as_ref().err(), Some(reason), "{text:?}");
    }
}

#[test]
fn spellings_that_fold_alike_are_one_name() {
    let groups: &[&[&str]] = &[
        &["Ann", "ann", "ANN", "aNN", "Ａｎｎ", "ａnn"],
        &["Ian", "ian", "IAN"],
        &["u1", "U1"],
        &["Вера", "вера", "ВЕРА"],
        &["Ηρα", "ηρα", "ΗΡΑ"],
        &["ΑΝΝΑ", "αννα", "Αννα"],
        &["Νίκος", "νίκος", "ΝΊΚΟΣ", "νίκοσ"],
        &["zoë", "ZOË", "Zoe\u{308}"],
        &["inci", "INCI"],
        &["Strauß", "strauß", "STRAUẞ"],
        &["Գոռ", "գոռ", "ԳՈՌ"],
    ];
    for group in groups {
        for one in *group {
            for other in *group {
                let (one, other) = (good(one), good(other));
                assert!(one.is_same(&other), "{one} and {other}");
                assert!(are_one(&one, &other), "{one} and {other}");
            }
        }
    }
}

#[test]
fn spellings_that_look_alike_are_one_name_but_not_the_same() {
    let pairs = [
        ("lan", "1an"),
        ("İnci", "inci"),
        ("paypal", "paypaI"),
        ("paypal", "paypa1"),
        ("paypal", "раураӏ"),
        ("Ian", "lan"),
        ("Ian", "1an"),
        ("ian", "ıan"),
        ("Вера", "Bepa"),
        ("ВЕРА", "BEPA"),
        ("сосо", "coco"),
        ("СОСО", "COCO"),
        ("Ηρα", "Hpa"),
        ("ΑΝΝΑ", "ANNA"),
        ("u0", "uO"),
        ("corn", "com"),
        ("mia", "rnia"),
        ("ꓮꓠꓠ", "ANN"),
        ("jan", "j\u{307}an"),
        ("ian", "i\u{307}an"),
    ];
    for (one, other) in pairs {
        let (one, other) = (good(one), good(other));
        assert!(are_one(&one, &other), "{one} and {other}");
        assert!(!one.is_same(&other), "{one} and {other}");
    }
}

#[test]
fn different_names_stay_different() {
    let pairs = [
        ("ann", "anna"),
        ("ben", "bev"),
        ("may", "mau"),
        ("Strauß", "Straub"),
        ("zoë", "zoe"),
        ("a_b", "a-b"),
        ("a.b", "ab"),
        ("ab", "a_b"),
        ("вера", "веры"),
        ("山田", "山本"),
        ("たなか", "タナカ"),
        ("शिव", "शीव"),
        ("rob", "reb"),
        ("tom", "torn1"),
        ("sara", "5ara"),
        ("6ob", "bob"),
        ("jan", "3an"),
        ("ray", "rar"),
        // What folding or looks alone do not join, the two in turn do not join either.
        ("ian", "lan"),
        ("Elia", "Ella"),
        ("elia", "ella"),
        ("Neil", "Nell"),
        ("NEIL", "NELL"),
        ("u0", "uo"),
        ("αννα", "anna"),
        ("вера", "bepa"),
    ];
    for (one, other) in pairs {
        let (one, other) = (good(one), good(other));
        assert!(!are_one(&one, &other), "{one} and {other}");
        assert!(!one.is_same(&other), "{one} and {other}");
    }
}

#[test]
fn a_name_has_its_look_as_a_second_key_only_when_that_differs() {
    let keys = |text| good(text).keys().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(keys("ann"), ["ann"]);
    assert_eq!(keys("com"), ["corn"]);
    assert_eq!(keys("u0"), ["uO"]);
    assert_eq!(keys("вера"), ["ʙepa"]);
    assert_eq!(keys("山田"), ["山田"]);
    assert_eq!(keys("Ann"), ["ann", "Ann"]);
    assert_eq!(keys("Ian"), ["ian", "lan"]);
    assert_eq!(keys("Вера"), ["ʙepa", "Bepa"]);
}

#[test]
fn twenty_thousand_numbered_names_are_twenty_thousand_names() {
    for prefix in ["c", "u", "Load-", "Игрок"] {
        let numbers = if prefix.is_ascii() { 20_000 } else { 2_000 };
        let mut seen = HashMap::new();
        for number in 0..numbers {
            let text = format!("{prefix}{number}");
            for key in good(&text).keys() {
                if let Some(earlier) = seen.insert(key.to_owned(), text.clone()) {
                    panic!("{earlier} and {text} have one key");
                }
            }
        }
    }
}

/// Letters that look like others, of the scripts that share the most shapes.
const ALPHABETS: [&str; 6] = [
    "IiLl1oO0mMrRnNvVyYuUbBeEsS5h3jJ6dTkíÍńýŕßɴƽƼ_",
    "ΑαΒβΕεΗηΙιίΚκΜμΝνΟοόΡρΣσςΤτΥυύΧχΖζΓγΔ1",
    "АаВвЕеНнІіКкМмОоРрСсТтУуХхЗзЬьЫыЮюБбГгЅѕ0",
    "ՅյՌռՍսՏտՕօՀհՈոԼլ3",
    "ꓮꓐꓑꓓꓔꓖꓗꓠꓬꓦꓳꓲꓡꓢ",
    "ⲀⲁⲂⲃⲈⲉⲎⲏⲒⲓⲔⲕⲘⲙⲚⲛⲞⲟⲢⲣⲤⲥⲦⲧⲬⲭϨϩϬϭ",
];

fn random_name(random: &mut fastrand::Rng, length_max: usize) -> String {
    let alphabet: Vec<char> = random.choice(ALPHABETS).unwrap().chars().collect();
    let length = random.usize(1..=length_max);
    (0..length)
        .map(|_| *random.choice(&alphabet).unwrap())
        .collect()
}

/// A generator whose seed is printed; `TEST_NAMES_SEED=…` replays a run.
fn seeded() -> fastrand::Rng {
    let seed = std::env::var("TEST_NAMES_SEED")
        .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("to replay: TEST_NAMES_SEED={seed} cargo test --test engine names");
    fastrand::Rng::with_seed(seed)
}

/// The capital of a letter, when it is one letter (that of `ß` is two).
fn capital(c: char) -> char {
    let mut capitals = c.to_uppercase();
    match (capitals.next(), capitals.next()) {
        (Some(capital), None) => capital,
        _ => c,
    }
}

#[test]
fn however_a_name_is_typed_it_is_one_name() {
    let mut random = seeded();
    let (mut good, mut pairs) = (0, 0);
    for _ in 0..4_000 {
        let text = random_name(&mut random, 8);
        let Ok(name) = Name::parse(&text) else {
            continue;
        };
        good += 1;
        let again = Name::parse(name.as_str()).unwrap();
        assert_eq!(again.as_str(), name.as_str());
        assert!(again.is_same(&name), "{text} typed as it is shown");
        assert!(again.keys().eq(name.keys()), "{text} typed as it is shown");
        let spellings = [
            text.to_lowercase(),
            text.chars().map(capital).collect(),
            text.nfd().collect(),
        ];
        for spelling in spellings {
            if let Ok(other) = Name::parse(&spelling) {
                assert!(are_one(&name, &other), "{text} and {spelling}");
                pairs += usize::from(other.as_str() != name.as_str());
            }
        }
    }
    assert!(good > 1_500, "only {good} good names were tried");
    assert!(pairs > 1_500, "only {pairs} pairs of spellings were tried");
}

#[test]
fn names_that_look_the_same_are_one_name() {
    let mut random = seeded();
    let mut by_looks: HashMap<String, Vec<Name>> = HashMap::new();
    for _ in 0..20_000 {
        if let Ok(name) = Name::parse(&random_name(&mut random, 3)) {
            let looks = skeleton(name.as_str()).collect();
            by_looks.entry(looks).or_default().push(name);
        }
    }
    let mut pairs = 0;
    for names in by_looks.values() {
        for name in names {
            assert!(are_one(name, &names[0]), "{name} and {}", names[0]);
            pairs += usize::from(name.as_str() != names[0].as_str());
        }
    }
    assert!(pairs > 500, "only {pairs} pairs of look-alikes were found");
}

/// Who is called so is who folds to the same text, whatever the looks; and that shares the first key.
#[test]
fn names_are_the_same_when_they_fold_to_the_same_text() {
    let precis = UsernameCaseMapped::new();
    let folded = |name: &Name| Some(precis.enforce(name.as_str()).ok()?.into_owned());
    let mut random = seeded();
    let (mut same, mut alike) = (0, 0);
    for _ in 0..40_000 {
        let texts = [random_name(&mut random, 1), random_name(&mut random, 1)];
        let [Ok(one), Ok(other)] = texts.map(|text| Name::parse(&text)) else {
            continue;
        };
        let (Some(one_folded), Some(other_folded)) = (folded(&one), folded(&other)) else {
            continue;
        };
        let expected = one_folded.replace('ς', "σ") == other_folded.replace('ς', "σ");
        assert_eq!(one.is_same(&other), expected, "{one} and {other}");
        assert_eq!(other.is_same(&one), expected, "{one} and {other}");
        if expected {
            assert_eq!(one.keys().next(), other.keys().next(), "{one} and {other}");
        }
        same += usize::from(expected && one.as_str() != other.as_str());
        alike += usize::from(!expected && are_one(&one, &other));
    }
    assert!(same > 50, "only {same} pairs were the same");
    assert!(alike > 50, "only {alike} pairs looked alike");
}

/// No two people are made one by anything but the two rules.
#[test]
fn names_that_are_one_fold_alike_or_look_alike() {
    let looks = |text: &str| skeleton(text).collect::<String>();
    let mut random = seeded();
    let mut pairs = 0;
    let letters = ["I", "i", "l", "1", "L", "O", "o", "0", "m", "M", "rn", "n"];
    let mut word = || -> String {
        let length = random.usize(1..=3);
        (0..length)
            .map(|_| *random.choice(&letters).unwrap())
            .collect()
    };
    for _ in 0..20_000 {
        let (one, other) = (good(&word()), good(&word()));
        let (one_small, other_small) = (one.as_str().to_lowercase(), other.as_str().to_lowercase());
        let forms = |name: &Name, small: &str| [looks(name.as_str()), looks(small)];
        let (one_forms, other_forms) = (forms(&one, &one_small), forms(&other, &other_small));
        let expected = one_forms.iter().any(|form| other_forms.contains(form));
        assert_eq!(are_one(&one, &other), expected, "{one} and {other}");
        pairs += usize::from(expected && one_small != other_small);
    }
    assert!(pairs > 100, "only {pairs} pairs were one by their looks");
}

#[test]
fn any_text_is_answered_at_once_and_in_plain_words() {
    let mut random = seeded();
    for round in 0..3_000 {
        let length = random.usize(0..=[4, 30, 400, 4096][round % 4] / 2);
        let text: String = (0..length)
            .map(|_| match round % 3 {
                0 => random.char(..),
                1 => random.char('\u{0}'..='\u{600}'),
                _ => random.char('\u{300}'..='\u{36f}'),
            })
            .collect();
        match Name::parse(&text) {
            Ok(name) => {
                assert!(name.as_str().chars().count() <= Name::LENGTH_MAX);
                assert!(!name.as_str().contains(char::is_whitespace));
                assert!(!name.as_str().contains(char::is_control));
                assert!(name.keys().all(|key| !key.contains(char::is_whitespace)));
            }
            Err(reason) => {
                let words = reason.to_string();
                assert!(!words.contains(char::is_control), "{words:?}");
                assert!(
                    !words.contains(['\u{2028}', '\u{2029}', '\u{202e}']),
                    "{words:?}"
                );
            }
        }
    }
    for long in ["x".repeat(4096), "\u{301}".repeat(2048)] {
        assert_eq!(Name::parse(&long).err(), Some(BadName::TooLong));
    }
}

#[test]
fn refusals_are_said_in_plain_words() {
    let words = |text: &str| Name::parse(text).unwrap_err().to_string();
    assert_eq!(words(&"x".repeat(25)), "a name has at most 24 characters");
    assert_eq!(words("an n"), "a name has no spaces");
    assert_eq!(
        words("a@b"),
        "@ cannot stand in this name: use letters, digits, _ - ."
    );
    assert_eq!(
        words("a\u{e000}"),
        "U+E000 cannot stand in this name: use letters, digits, _ - ."
    );
    assert_eq!(words("a\u{1b}[2J"), "a name has no invisible characters");
    assert_eq!(words("pаypal"), "a name has the letters of one script only");
    assert_eq!(words("root"), "this name is reserved");
    assert_eq!(words("10.0.0.1"), "a name is not an IP address");
    assert_eq!(
        words("17-0"),
        "a name is not two numbers with - between them"
    );
}
