"""The parts of make_demo_model.py: fonts, captions, glyphs, augmentation, pre-training, arrays."""
