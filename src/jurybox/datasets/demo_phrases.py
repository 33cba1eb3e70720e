"""What the generated reviews are made of: aspects of a purchase, and ways to praise and to fault each.

Every adjective is used affirmed and denied, and every event has a counterpart in nearly the same words, so
that no single word gives the opinion away.
"""

from __future__ import annotations

from typing import NamedTuple


class Aspect(NamedTuple):
    """One side of a purchase.

    ``praise`` and ``blame`` are adjectives that fit each of ``subjects``; ``good`` and ``bad`` are whole
    clauses.
    """

    subjects: tuple[str, ...]
    praise: tuple[str, ...]
    blame: tuple[str, ...]
    good: tuple[str, ...]
    bad: tuple[str, ...]


PRODUCTS = (
    "kettle", "headphones set", "backpack", "desk lamp", "rain jacket", "router", "blender", "tent",
    "office chair",
    "coffee grinder", "phone case", "bike light", "yoga mat", "air fryer", "keyboard", "toaster",
    "suitcase", "camera",
    "vacuum cleaner", "smart watch", "water bottle", "bookshelf", "electric shaver", "baby monitor",
    "garden hose",
    "frying pan", "e-reader", "speaker", "heater", "printer", "sleeping bag", "mouse", "bread maker",
    "hair dryer",
)  # fmt: skip

PEOPLE = (
    "my mother", "my partner", "our office", "my flat", "a friend", "my brother", "the kids", "my dad",
    "a colleague",
    "the holidays", "our kitchen", "my studies", "my grandmother", "the new place", "my daughter", "work",
)  # fmt: skip

TIMES = (
    "two days", "a week", "three weeks", "a month", "four months", "half a year", "the first night",
    "one weekend",
    "ten uses", "a single day", "just over a year", "the first wash",
)  # fmt: skip

ASPECTS = (
    Aspect(
        subjects=("it", "the {product}", "this thing", "the build", "the material"),
        praise=("sturdy", "solid", "reliable", "well made", "durable", "comfortable", "robust"),
        blame=("flimsy", "fragile", "wobbly", "badly made", "shoddy", "brittle", "cheaply made"),
        good=(
            "it still works after {time}", "has not broken after {time}",
            "it survived {time} without a scratch",
            "no cracks even after {time}", "nothing rattles, nothing leaks",
            "the finish looks better than on the photos",
            "I dropped it twice and it did not mind", "it never let me down in {time}",
        ),
        bad=(
            "it stopped working after {time}", "has broken after {time}", "it did not survive {time}",
            "cracks all over after {time}", "it rattles and it leaks",
            "the finish looks worse than on the photos",
            "I dropped it once and it was dead", "it let me down after {time}",
        ),
    ),
    Aspect(
        subjects=("delivery", "the shipping", "the courier", "dispatch"),
        praise=("quick", "punctual", "prompt", "fast", "on time"),
        blame=("slow", "late", "delayed", "chaotic", "sluggish"),
        good=(
            "it arrived before the promised date", "arrived within {time} as promised",
            "the parcel came without a dent",
            "no waiting at all", "they told me the hour and kept it", "everything was in the box",
        ),
        bad=(
            "it arrived long past the promised date", "had not arrived after {time}",
            "the parcel came with a dent",
            "no parcel, only waiting", "they told me the hour and missed it",
            "half of it was missing from the box",
        ),
    ),
    Aspect(
        subjects=("the price", "what I paid", "the bill", "the cost"),
        praise=("fair", "reasonable", "worth it", "justified"),
        blame=("excessive", "steep", "ridiculous", "overdone"),
        good=(
            "I would pay more for this", "you get a lot for the money", "I found it nowhere cheaper",
            "good value even without the discount", "no hidden fees for once",
        ),
        bad=(
            "I would not pay half for this", "you get little for the money",
            "I found it cheaper everywhere else",
            "poor value even with the discount", "hidden fees once more",
        ),
    ),
    Aspect(
        subjects=("support", "the staff", "customer service", "the person on the phone",
        "the chat agent"),
        praise=("helpful", "friendly", "patient", "polite", "competent"),
        blame=("rude", "clueless", "useless", "impatient", "dismissive"),
        good=(
            "they answered within the hour", "they replaced it without questions",
            "got my money back the same day",
            "the second mail solved it", "someone listened and cared", "they apologised and fixed it",
        ),
        bad=(
            "they have not answered within {time}", "they refused to replace it",
            "still no money back after {time}",
            "the fifth mail solved nothing", "nobody listened or cared",
            "they apologised and fixed nothing",
        ),
    ),
    Aspect(
        subjects=("setup", "the app", "the manual", "the menu", "assembly"),
        praise=("simple", "clear", "easy", "intuitive", "well thought out"),
        blame=("confusing", "complicated", "buggy", "cryptic", "tedious"),
        good=(
            "I had it running in five minutes", "my grandfather managed it alone", "it paired at once",
            "no tools needed, no swearing", "I never had to open the manual",
        ),
        bad=(
            "I had it running after five hours", "not even my engineer friend managed it",
            "it never paired",
            "special tools needed, much swearing", "I had to open the manual for every step",
        ),
    ),
    Aspect(
        subjects=("the sound", "the noise level", "the motor", "the fan"),
        praise=("quiet", "pleasant", "smooth", "discreet"),
        blame=("loud", "annoying", "harsh", "deafening"),
        good=("you can sleep next to it", "I hardly hear it", "the neighbours have not complained"),
        bad=("you cannot sleep next to it", "I hear it two rooms away", "the neighbours have complained"),
    ),
    Aspect(
        subjects=("the battery", "the charge", "the power"),
        praise=("long lasting", "generous", "dependable", "ample"),
        blame=("weak", "disappointing", "short lived", "meagre"),
        good=(
            "one charge lasts {time}", "it charges faster than I can drink a coffee",
            "I forgot where the cable is",
        ),
        bad=(
            "one charge lasts an hour at most", "it charges slower than my old one", "it lives on the cable",
        ),
    ),
    Aspect(
        subjects=("the size", "the fit", "the colour", "the look"),
        praise=("perfect", "right", "lovely", "as pictured"),
        blame=("wrong", "off", "ugly", "misleading"),
        good=(
            "it fits exactly where I wanted it", "people ask me where I got it", "it matches the description",
        ),
        bad=(
            "it fits nowhere I wanted it", "people ask me why I got it", "it does not match the description",
        ),
    ),
)  # fmt: skip

AFFIRMED = (
    ("{subject} is {adjective}", 1.0),
    ("{subject} is very {adjective}", 1.4),
    ("{subject} is a bit {adjective}", 0.6),
    ("{subject} was {adjective}", 1.0),
    ("I find {subject} {adjective}", 1.0),
    ("{subject} turned out {adjective}", 1.0),
    ("{subject} is really {adjective}", 1.4),
)

DENIED = (
    ("{subject} is not {adjective}", 1.0),
    ("{subject} is anything but {adjective}", 1.4),
    ("nobody would call {subject} {adjective}", 1.0),
    ("{subject} was never {adjective}", 1.0),
    ("{subject} is far from {adjective}", 1.2),
    ("{subject} isn't {adjective}", 1.0),
)

VERDICTS_GOOD = (
    "would buy again", "I am keeping it", "no regrets", "recommended", "five stars from me",
    "I ordered a second one",
    "do not hesitate", "could not be happier", "nothing to complain about", "money well spent",
)  # fmt: skip

VERDICTS_BAD = (
    "would not buy again", "I am sending it back", "I regret it", "not recommended", "one star from me",
    "I cancelled the second one", "do not bother", "could not be more disappointed",
    "plenty to complain about",
    "money wasted",
)  # fmt: skip

OPENINGS_GOOD = (
    "great", "love it", "what a nice surprise", "well done", "lucky me", "so pleased",
    "finally a good one",
)  # fmt: skip

OPENINGS_BAD = (
    "sadly", "hate it", "what a nasty surprise", "oh dear", "just my luck", "so annoyed",
    "never a good one",
)  # fmt: skip

NEUTRAL = (
    "bought the {product} for {person}", "this is my second {product}", "got the {product} in the sale",
    "ordered the {product} in spring", "I use it for {person}", "I have had the {product} for {time}",
    "it replaces an old {product}", "a {product} is a {product}, you might think", "picked the black one",
)  # fmt: skip

HEARSAY = (
    "I had read that {subject} is {adjective}", "the advert says {subject} is {adjective}",
    "I expected {subject} to be {adjective}", "others write {subject} is {adjective}",
    "my last {product} was {adjective}",
)  # fmt: skip

JOINTS_START = (". ", ", ", "! ", ". ", "; ")
JOINTS_SAME = (" and ", ", ", ". ", "; ", ". Also, ", ". Besides, ")
JOINTS_CONTRAST = (", but ", ". However, ", ", although ", ". Then again, ", ", yet ", ". Still, ")
CLOSINGS = (".", "!", "", "...", " :)", ".", ".", "!!")
