"""Names in many languages and four spellings tell what they mean; the word lists hold together."""

import tomllib
from importlib.resources import files

import pytest

from leadpipe.events.project.listing_ids import Listings
from leadpipe.events.project.profile import Sample
from leadpipe.events.project.vocabulary import marks_of
from leadpipe.events.project.words import LEAD_TYPES_TOLD, lister_of, read_as, told
from leadpipe_tests.events.project.builders import prop

_IDS = [f"H-{n:03}" for n in range(20)]
_FOLDER = files("leadpipe").joinpath("events", "project", "languages")
_LANGUAGES = {
    file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8"))
    for file in sorted(_FOLDER.iterdir(), key=lambda each: each.name)
    if file.name.endswith(".toml")
}
_SPELLINGS = {
    "snake": "_".join,
    "kebab": "-".join,
    "camel": lambda words: words[0] + "".join(map(str.capitalize, words[1:])),
    "title": lambda words: " ".join(map(str.capitalize, words)),
}
# Events with what they mean, and the kind of a lead; then the listing's and the lister's property.
_NAMES = {
    "spanish": (
        {
            "anuncio visto": "view",
            "ficha abierta": "view",
            "ver telefono": "lead phone",
            "llamar agente": "lead phone",
            "visita solicitada": "lead appointment",
            "formulario enviado": "lead message",
            "compartir anuncio": "share",
            "favorito añadido": "saved_listing",
            "usuario registrado": "signup",
            "pantalla vista": "pageview",
            "recarga realizada": "recharge",
            "inmueble vendido": "sale",
            "busqueda realizada": None,
            "fotos vistas": None,
            "cita cancelada": None,
        },
        "id inmueble",
        ("agente id", "agent"),
    ),
    "portuguese": (
        {
            "anúncio visualizado": "view",
            "imóvel visto": "view",
            "ver telefone": "lead phone",
            "visita agendada": "lead appointment",
            "mensagem enviada": "lead message",
            "anúncio compartilhado": "share",
            "imóvel favoritado": "saved_listing",
            "cadastro concluído": "signup",
            "tela vista": "pageview",
            "recarga feita": "recharge",
            "busca realizada": None,
            "foto aberta": None,
        },
        "código imóvel",
        ("corretor id", "agent"),
    ),
    "french": (
        {
            "annonce consultée": "view",
            "fiche vue": "view",
            "appel agent": "lead phone",
            "voir téléphone": "lead phone",
            "essai routier demandé": "lead appointment",
            "message envoyé": "lead message",
            "annonce partagée": "share",
            "ajout favori": "saved_listing",
            "inscription terminée": "signup",
            "page vue": "pageview",
            "recherche effectuée": None,
            "photo ouverte": None,
        },
        "référence annonce",
        ("agence id", "agency"),
    ),
    "german": (
        {
            "inserat angesehen": "view",
            "fahrzeug geoeffnet": "view",
            "exposé aufgerufen": "view",
            "makler angerufen": "lead phone",
            "telefonnummer angezeigt": "lead phone",
            "besichtigung angefragt": "lead appointment",
            "probefahrt gebucht": "lead appointment",
            "kontaktformular abgeschickt": "lead message",
            "inserat geteilt": "share",
            "objekt gemerkt": "saved_listing",
            "nutzer registriert": "signup",
            "wohnung verkauft": "sale",
            "guthaben aufgeladen": "recharge",
            "seite angesehen": "pageview",
            "suche gestartet": None,
            "termin abgebrochen": None,
        },
        "objektnummer",
        ("händler id", "dealer"),
    ),
    "italian": (
        {
            "annuncio visto": "view",
            "immobile visualizzato": "view",
            "chiama agenzia": "lead phone",
            "mostra numero": "lead phone",
            "visita richiesta": "lead appointment",
            "messaggio inviato": "lead message",
            "annuncio condiviso": "share",
            "preferito aggiunto": "saved_listing",
            "registrazione completata": "signup",
            "schermata vista": "pageview",
            "ricarica effettuata": "recharge",
            "ricerca eseguita": None,
        },
        "codice immobile",
        ("agenzia id", "agency"),
    ),
    "dutch": (
        {
            "woning bekeken": "view",
            "advertentie geopend": "view",
            "makelaar gebeld": "lead phone",
            "telefoonnummer getoond": "lead phone",
            "bezichtiging aangevraagd": "lead appointment",
            "bericht verstuurd": "lead message",
            "woning gedeeld": "share",
            "favoriet toegevoegd": "saved_listing",
            "gebruiker geregistreerd": "signup",
            "pagina bekeken": "pageview",
            "zoekopdracht uitgevoerd": None,
        },
        "advertentie nummer",
        ("makelaar id", "agent"),
    ),
    "turkish": (
        {
            "ilan görüntülendi": "view",
            "araç incelendi": "view",
            "telefon gösterildi": "lead phone",
            "danışman arandı": "lead phone",
            "test sürüşü talebi": "lead appointment",
            "mesaj gönderildi": "lead message",
            "ilan paylaşıldı": "share",
            "favori eklendi": "saved_listing",
            "sayfa görüntülendi": "pageview",
            "bakiye yüklendi": "recharge",
            "arama sonuçları": None,
        },
        "ilan no",
        ("danışman id", "agent"),
    ),
    "indonesian": (
        {
            "iklan dilihat": "view",
            "properti dibuka": "view",
            "hubungi agen telepon": "lead phone",
            "lihat nomor": "lead phone",
            "kunjungan dijadwalkan": "lead appointment",
            "kirim pesan": "lead message",
            "iklan dibagikan": "share",
            "simpan iklan": "saved_listing",
            "daftar akun": "signup",
            "halaman dilihat": "pageview",
            "isi pulsa": "recharge",
            "pencarian dilakukan": None,
        },
        "kode iklan",
        ("agen id", "agent"),
    ),
}


@pytest.mark.parametrize("spelling", _SPELLINGS)
@pytest.mark.parametrize("language", _NAMES)
def test_names_of_a_language_say_what_they_mean(language, spelling):
    """With accents or spelt out, in snake, kebab, camel and title case."""
    said = {}
    for words in _NAMES[language][0]:
        name = _SPELLINGS[spelling](words.split())
        meaning = told(name)
        kind = read_as(name, LEAD_TYPES_TOLD) if meaning == "lead" else None
        said[words] = f"{meaning} {kind}" if kind else meaning
    assert said == _NAMES[language][0]


@pytest.mark.parametrize("spelling", _SPELLINGS)
@pytest.mark.parametrize("language", _NAMES)
def test_a_listing_and_its_lister_are_known_by_their_names(language, spelling):
    """Wherever the language puts the word for an id; a price, a page and a person are no listing."""
    _, listing, (lister, kind) = _NAMES[language]
    listing, lister = (_SPELLINGS[spelling](words.split()) for words in (listing, lister))
    properties = (prop("zz", _IDS), prop(f'"{listing}"', _IDS), prop(f'"{lister}"', _IDS))
    listings = Listings({"seen": Sample(100, properties)})
    assert [one.path for one in listings.of("seen")] == [(listing,)]
    words = [lister_of(word) for one in properties[2:] for word in one.words]
    assert kind in words


@pytest.mark.parametrize("language", _LANGUAGES)
def test_a_word_list_has_the_keys_of_the_english_one(language):
    """A key that nothing reads would be a word that is never found."""
    english = _LANGUAGES["english"]
    unknown = [
        f"{section}.{key}"
        for section, lines in _LANGUAGES[language].items()
        for key in lines
        if key not in english.get(section, {})
        and f"{key}_phrases" not in english.get(section, {})
        and key.removesuffix("_phrases") not in english.get(section, {})
    ]
    assert unknown == []


def test_every_language_has_names_here():
    """What is not tried is not known to work."""
    assert {*_NAMES} == {*_LANGUAGES} - {"english"}


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("GÖRÜNTÜLENDİ", "events.seen"),
        ("fahrzeug_geöffnet", "events.seen"),
        ("fahrzeug_geoeffnet", "events.seen"),
        ("whats-app", "lead_types.whatsapp"),
        ("WhatsAppClick", "lead_types.whatsapp"),
        ("Testdrive", "lead_types.appointment"),
        ("test_drive", "lead_types.appointment"),
    ],
)
def test_accents_humps_and_blanks_make_no_difference(text, mark):
    """Of phrases the blank is optional; umlauts may be spelt out."""
    assert mark in marks_of(text)


@pytest.mark.parametrize("text", ["nombre", "telefono", "Vorname", "endereço", "prénom", "soyad"])
def test_personal_properties_are_known_in_every_language(text):
    """Their values are covered, however few they are."""
    assert prop(text, ["Ama", "Kofi"]).examples(5) == prop("name", ["Ama", "Kofi"]).examples(5)
