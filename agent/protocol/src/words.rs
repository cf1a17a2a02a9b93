//! Four words that people compare: the fingerprint of a device's public key, on its screen and on the page.

use ring::digest;

/// 256 short words that are hard to mistake for one another, one per byte.
const WORDS: &str = "acid acorn actor adobe agent album alarm alley amber angle ankle apple apron arena armor arrow \
aspen atlas attic audio bacon badge bagel baker bamboo banjo barn basil basin beach beacon bean \
beard beaver bench berry bingo birch bison blade blanket blaze blimp boat bonnet boot bottle bowl \
brass bread brick bridge bronze broom brush bucket buffalo bugle bunker butter cabin cable cactus camel \
camera canal candle canoe canvas carbon cargo carpet castle cedar cello chalk charm cherry chess chimney \
cider cigar cinema circus citrus clam cliff clock clover cobalt cobra cocoa comet copper coral cotton \
cow crane crater crayon cricket crown crystal cube curtain cycle daisy dance delta denim desert diary \
dinner dolphin donkey dragon drum dune eagle easel echo eclipse elbow elk ember engine fabric falcon \
farm feather fence fern ferry fiddle finch flag flame flute fog forest fossil fox frog galaxy \
garden garlic geyser ginger glacier globe goat goblet gold grape gravel guitar hammer harbor harp hawk \
hazel helmet hinge honey hotel husky igloo indigo insect iris island ivory jacket jaguar jasmine jelly \
jewel jigsaw judge juice jungle kayak kernel kettle kiosk kite koala ladder lagoon lantern laser lemon \
lilac lion lizard llama lobster locket lotus lunar magnet mango maple marble meadow melon meteor mirror \
mitten moose mosaic museum napkin nectar needle nickel nutmeg oak oasis ocean olive onion opera orbit \
orchid otter oyster paddle panda parrot pebble pepper piano pigeon pillow planet plaza pollen poppy pretzel \
pumpkin quartz rabbit radar raven ribbon river robin saddle salmon satin spruce tiger tulip velvet walnut";

/// The four words of a public key, from the first four bytes of the SHA-256 of its DER `SubjectPublicKeyInfo`.
pub fn words(public_key_der: &[u8]) -> [&'static str; 4] {
    let hash = digest::digest(&digest::SHA256, public_key_der);
    let mut picked = [""; 4];
    for (word, byte) in picked.iter_mut().zip(hash.as_ref()) {
        *word = WORDS.split_ascii_whitespace().nth(usize::from(*byte)).unwrap_or_default();
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_word_of_its_own() {
        let all: std::collections::BTreeSet<_> = WORDS.split_ascii_whitespace().collect();
        assert_eq!((all.len(), WORDS.split_ascii_whitespace().count()), (256, 256));
    }

    #[test]
    fn the_same_key_gives_the_same_words() {
        assert_eq!(words(b"key"), words(b"key"));
        assert_ne!(words(b"key"), words(b"kez"));
    }
}
