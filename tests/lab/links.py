"""A link that is followed to its end: the page has taken the state from it when this returns."""

_FOLLOWED = """(link) => new Promise((done) => {
  if (location.hash === `#${link}`) return done();
  addEventListener("hashchange", () => done(), { once: true });  // after the page's own listener, which has been there longer
  location.hash = link;
})"""


def follow(page, link):
    """As a click on a link to #that."""
    page.evaluate(_FOLLOWED, link)
