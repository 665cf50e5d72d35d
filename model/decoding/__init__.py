"""From probability maps to localisations: mass peeling, what else one might do, and where its threshold comes from."""
