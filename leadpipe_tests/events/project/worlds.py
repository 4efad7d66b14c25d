"""Projects as a sandbox holds them: the seeds' names, own ones, cars, a Spanish portal, jobs and services."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

Sent = dict[str, Any]


def sent(name: str, at: datetime, person: str, **properties: Any) -> Sent:
    """An event of a person."""
    return {"event": name, "timestamp": at, "distinct_id": person, "properties": properties}


def seeds(begin: datetime) -> Iterator[Sent]:
    """40 views of 8 listings, 6 calls on two of them."""
    for n in range(40):
        yield sent(
            "property_view", begin + timedelta(minutes=n), f"p{n % 9}", listing_id=f"L{n % 8}"
        )
    for n in range(6):
        yield sent(
            "lead_phone", begin + timedelta(hours=1, minutes=n), f"p{n % 3}", listing_id=f"L{n % 2}"
        )


def own_names(begin: datetime) -> Iterator[Sent]:
    """240 views of 30 listings and 60 contacts on 10 of them, with propertyRef and agentId."""
    for n in range(240):
        yield sent(
            "listing_viewed",
            begin + timedelta(minutes=n),
            f"p{n % 41}",
            propertyRef=f"REF-{n % 30:04}",
            source=("home page", "Search results", "newsletter")[n % 3],
            theme="dark",
        )
    for n in range(60):
        yield sent(
            "contact_agent_clicked",
            begin + timedelta(hours=5, minutes=n),
            f"p{n % 12}",
            propertyRef=f"REF-{n % 10:04}",
            agentId=f"A-{n % 4}",
            channel=("WhatsApp", "call", "E-Mail")[n % 3],
            phone=f"+23324000{n:04}",
        )
    for n in range(30):
        yield sent(
            "search_performed", begin + timedelta(minutes=n), f"p{n % 5}", query=f"house {n}"
        )


def quoted(begin: datetime) -> Iterator[Sent]:
    """20 views of 5 listings and 5 calls, by names with quotes, dots and brackets."""
    for n in range(20):
        yield sent(
            'l\'annonce "une" viewed',
            begin + timedelta(minutes=n),
            f"p{n % 7}",
            **{'listing "ref"': f"A.{n % 5}", "a.b": "it's"},
        )
    for n in range(5):
        yield sent(
            "[call] l'agent",
            begin + timedelta(hours=1, minutes=n),
            f"p{n}",
            **{"the.listing": {"ref's": f"A.{n}"}},
        )


def cars(begin: datetime) -> Iterator[Sent]:
    """90 vehicles opened, 20 dealers called, 10 test drives, with a vin."""
    for n in range(90):
        yield sent(
            "vehicle_opened",
            begin + timedelta(minutes=n),
            f"b{n % 17}",
            vin=f"WVW{n % 15:05}",
            make="VW",
        )
    for n in range(20):
        yield sent(
            "call_dealer",
            begin + timedelta(hours=3, minutes=n),
            f"b{n % 6}",
            vin=f"WVW{n % 5:05}",
            dealer={"id": f"D{n % 3}"},
        )
    for n in range(10):
        yield sent(
            "test_drive_booked",
            begin + timedelta(hours=4, minutes=n),
            f"b{n % 4}",
            vin=f"WVW{n % 5:05}",
            slot="morning",
        )


def portal(begin: datetime) -> Iterator[Sent]:
    """A Spanish property portal: 80 of 200 `screen` are one of 16 homes; 24 numbers, 8 visits."""
    screens = ("inicio", "ficha_inmueble", "busqueda", "ficha_inmueble", "favoritos")
    for n in range(200):
        pantalla = screens[n % 5]
        listing = {"id_inmueble": f"INM-{n % 16:04}"} if pantalla == "ficha_inmueble" else {}
        yield sent(
            "screen",
            begin + timedelta(minutes=n),
            f"p{n % 23}",
            pantalla=pantalla,
            idioma="es",
            **listing,
        )
    for n in range(24):
        yield sent(
            "ver_telefono",
            begin + timedelta(hours=5, minutes=n),
            f"p{n % 12}",
            id_inmueble=f"INM-{n % 8:04}",
            id_agente=f"AG{n % 3}",
        )
    for n in range(8):
        yield sent(
            "visitaSolicitada",
            begin + timedelta(hours=6, minutes=n),
            f"p{n % 4}",
            id_inmueble=f"INM-{n % 4:04}",
            nombre=f"Ama {n}",
            telefono=f"+3460000{n:04}",
        )


def services(begin: datetime) -> Iterator[Sent]:
    """Jobs and services: one event `interaction`: 90 views of 18 offers, 20 calls, 10 chats, 12 shares."""
    kinds = ["view"] * 90 + ["call"] * 20 + ["chat"] * 10 + ["share"] * 12 + ["scroll"] * 40
    for n, kind in enumerate(kinds):
        offer = {} if kind == "scroll" else {"offer": {"ref": f"JOB{n % 18:03}"}}
        yield sent(
            "interaction",
            begin + timedelta(minutes=n),
            f"p{n % 19}",
            kind=kind,
            network="facebook" if kind == "share" else None,
            **offer,
        )
