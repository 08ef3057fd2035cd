"""Label recordings: `mumu label` shows a bag on a local page, or takes labels from other programs."""
