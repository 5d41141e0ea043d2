"""Writes `sample_workspace.json`: the workspace of an invented pottery studio, `python -m local.make_sample`.

It holds every type of block, property, rich text, icon and parent that the
connector has to cope with, along with what a real workspace has in the way: a page that search does not find, one
that is not shared, linked and untitled databases, copies of synced blocks, and things in the trash.
"""

from __future__ import annotations

from pathlib import Path

from local.entries import block
from local.values import (
    Json,
    custom_emoji,
    date,
    emoji,
    equation,
    external_file,
    hosted_file,
    icon,
    mention_custom_emoji,
    mention_database,
    mention_date,
    mention_link,
    mention_link_preview,
    mention_page,
    mention_template_date,
    mention_template_user,
    mention_user,
    text,
)
from local.workspace import Workspace

SAMPLE = Path(__file__).with_name("sample_workspace.json")
SITE = "https://tidewrack.example"
ALL_HANDS: Json = {
    "id": "5d0f7a52-3c1e-8b64-9a27-60d1f4c8e2b3",
    "object": "group",
    "name": "All hands",
}

OPENING_TASKS = (
    "Order shelf brackets",
    "Paint the back wall",
    "Print price labels",
    "Book the harbour band",
    "Write the invitation",
    "Wire the window lights",
    "Clean the wheel heads",
    "Photograph the bowls",
    "Set up the card reader",
    "Ask the baker for rolls",
    "Borrow forty glasses",
    "Hang the street sign",
    "Proofread the menu card",
    "Count the change float",
    "Sand the front door",
    "Pick up the aprons",
    "Mix the tasting glaze",
    "Plan the kiln tour",
    "Rope off the kiln room",
    "Find a spare fuse",
    "Tell the neighbours",
    "Wrap the first orders",
    "Test the sound system",
    "Draw the floor plan",
    "Refill the first-aid box",
    "Label the glaze buckets",
    "Charge the lanterns",
    "Thank the volunteers",
)


class _Sample:
    """Builds the workspace part by part; later parts refer to the ids of earlier ones."""

    def __init__(self) -> None:
        self.workspace = Workspace("Tidewrack Studio", seed=2026, bot_name="Airbyte")
        self._add_people()
        self._add_emojis_and_uploads()
        self._add_tree()
        self._add_guide()
        self._add_stock()
        self._add_contacts()
        self._add_planning()
        self._add_term_table()
        self._fill_house_style()
        self._fill_lookbook()
        self._fill_course()
        self._fill_meeting()
        self._add_comments()
        self._add_obstacles()

    def _page(self, parent: str | None, title: str, created: str, edited: str, by: str, **fields: object) -> str:
        """Add a page with its times, `MM-DDTHH:MM` of 2026, and the id of its author."""
        return self.workspace.add_page(
            parent,
            title,
            created_time=f"2026-{created}",
            last_edited_time=f"2026-{edited}",
            created_by=by,
            **fields,  # type: ignore[arg-type]
        )

    def _add_people(self) -> None:
        add = self.workspace.add_user
        picture = f"{SITE}/people/ines.jpg"
        self.ines = add("Ines Okafor", email="ines@tidewrack.example", avatar_url=picture)
        self.tomasz = add("Tomasz Brandt", email="tomasz@tidewrack.example")
        self.yuki = add("Yuki Lindqvist", email="yuki@tidewrack.example")
        self.margo = add("Margo Sol", email=None)
        self.oona = add("Oona Reyes", email="oona@photo.example", guest=True)
        owner = {"type": "user", "user": self.workspace.user(self.yuki)}
        self.calendar = add("Calendar bridge", type="bot", owner=owner)
        self.form = add("Booking form", type="bot")

    def _add_emojis_and_uploads(self) -> None:
        workspace = self.workspace
        self.kiln_emoji = workspace.add_custom_emoji("kiln", f"{SITE}/emoji/kiln.png")
        self.shard_emoji = workspace.add_custom_emoji("shard", f"{SITE}/emoji/shard.png")
        upload = workspace.add_file_upload
        upload(
            "spring-lookbook.pdf",
            "application/pdf",
            184_220,
            time="2026-03-02T10:11",
            created_by=self.yuki,
        )
        upload(
            "kiln-log.csv",
            "text/csv",
            5_310,
            time="2026-06-19T07:45",
            number_of_parts={"total": 2, "sent": 2},
        )
        upload("harbour-evening.mp4", "video/mp4", time="2026-11-14T16:30", status="pending")
        upload("old-banner.png", "image/png", time="2026-01-08T12:00", status="expired")

    # The tree of pages

    def _add_tree(self) -> None:
        add = self.workspace.add_block
        self.home = self._page(
            None,
            "Tidewrack Studio",
            "01-05T09:00",
            "11-12T08:20",
            self.ines,
            icon=emoji("🏺"),
            cover=external_file(f"{SITE}/covers/shore.jpg"),
        )
        add(
            self.home,
            "paragraph",
            "We make tableware by the harbour and teach others how it is done.",
        )
        add(self.home, "table_of_contents")
        add(self.home, "heading_1", "Where things are")
        self._add_handbook()
        self._add_products()
        self.classes = self._page(
            self.home,
            "Classes",
            "01-12T13:30",
            "10-03T17:05",
            self.margo,
            icon=icon("graduate", "blue"),
        )
        self.course = self._page(self.classes, "Beginners at the wheel", "01-12T14:02", "09-29T11:48", self.margo)
        self.meetings = self._page(self.home, "Meetings", "01-19T08:55", "11-09T10:30", self.ines)
        self.planning_meeting = self._page(
            self.meetings,
            "Autumn planning",
            "09-07T09:00",
            "09-08T15:12",
            self.tomasz,
            icon=emoji("🍂"),
        )
        self._page(self.meetings, "", "11-09T10:28", "11-09T10:30", self.ines)
        self.planning = self._page(
            self.home,
            "Planning",
            "01-20T10:00",
            "11-15T07:40",
            self.ines,
            icon=external_file(f"{SITE}/icons/board.svg"),
        )
        add(self.home, "divider")
        add(self.home, "link_to_page", page_id=self.firing)
        add(self.home, "breadcrumb")
        self.website = self._page(
            None,
            "Website notes",
            "02-14T18:21",
            "08-30T20:15",
            self.yuki,
            icon=custom_emoji(self.shard_emoji),
            public_url=f"{SITE}/notes",
            is_locked=True,
        )
        add(self.website, "embed", url=f"{SITE}/map", caption="The map on the contact page")
        add(self.website, "bookmark", url="https://shop-guide.example/checkout")
        add(self.website, "link_preview", url="https://code.example/tidewrack/shop/pull/41")
        add(
            self.website,
            "code",
            "{% for bowl in bowls %}\n  {{ bowl.name }}\n{% endfor %}",
            language="html",
            caption="The list on the front page",
        )

    def _add_handbook(self) -> None:
        add = self.workspace.add_block
        self.handbook = self._page(
            self.home,
            "Handbook",
            "01-05T09:20",
            "10-21T12:00",
            self.ines,
            icon=icon("book", "brown"),
        )
        add(
            self.handbook,
            "callout",
            "Read the kiln pages before your first evening alone.",
            icon=emoji("🔥"),
            color="orange_background",
        )
        week = self._page(self.handbook, "The working week", "01-05T10:05", "07-06T09:31", self.ines)
        add(week, "paragraph", "Studio days are Tuesday to Saturday. Mondays belong to the kiln.")
        opening = self._page(
            week,
            "Opening the studio",
            "01-06T08:10",
            "05-11T08:02",
            self.margo,
            icon=hosted_file("tidewrack/key.png"),
        )
        for step in ("Shutters", "Extractor fan", "Slip buckets"):
            add(opening, "to_do", step, checked=step == "Shutters")
        closing = self._page(week, "Closing checklist", "01-06T08:40", "05-11T08:05", self.margo)
        add(
            closing,
            "numbered_list_item",
            "Empty the clay traps.",
            list_start_index=1,
            list_format="letters",
        )
        add(
            closing,
            "numbered_list_item",
            "Cover what is still wet.",
            children=[
                block("bulleted_list_item", "Plates go under boards."),
                block(
                    "bulleted_list_item",
                    "Handles go under damp cloth.",
                    [block(text="Wring it out first.")],
                ),
            ],
        )
        add(
            closing,
            "template",
            "Add tonight's list",
            [block("to_do", [mention_template_date("today")])],
        )
        self._add_kiln_pages()
        leave = self._page(self.handbook, "Time off", "01-07T11:00", "03-30T16:44", self.ines)
        add(leave, "quote", "Ask early, and nobody has to fire on a Sunday.")
        self.house_style = self._page(self.handbook, "House style", "02-02T09:12", "06-01T10:10", self.yuki)
        old = self._page(
            self.handbook,
            "Winter rota 2025",
            "01-05T11:30",
            "02-01T09:00",
            self.margo,
            is_archived=True,
        )
        add(old, "paragraph", "Kept for the record.")

    def _add_kiln_pages(self) -> None:
        add = self.workspace.add_block
        safety = self._page(
            self.handbook,
            "Kiln safety",
            "01-08T09:15",
            "10-21T11:52",
            self.tomasz,
            cover=hosted_file("tidewrack/kiln-door.jpg"),
        )
        add(safety, "heading_1", "Before you switch on")
        add(
            safety,
            "heading_2",
            "What can go wrong",
            is_toggleable=True,
            children=[block(text="A shelf too close to the element cracks in the first hour.")],
        )
        nest = block("toggle", "Cut the mains at the grey box and ring Tomasz.")
        for question in (
            "Is the mains tripped?",
            "Is the fan running?",
            "Can you smell gas?",
            "Is the door warm?",
        ):
            nest = block("toggle", question, [nest])
        self.nest = add(safety, "toggle", "The kiln went out", [nest])
        self.synced_original = add(
            safety,
            "synced_block",
            children=[
                block("callout", "Never open the door above 120 °C.", icon=emoji("⚠️")),
                block("paragraph", "The gauge on the left is the one that counts."),
            ],
        )
        self.firing = self._page(safety, "Firing schedules", "01-09T10:00", "10-20T19:34", self.tomasz)
        add(
            self.firing,
            "table",
            table_width=3,
            has_column_header=True,
            children=[
                block("table_row", cells=["Step", "Rate", "Until"]),
                block(
                    "table_row",
                    cells=["Warm-up", [equation(r"60\,^{\circ}\mathrm{C/h}")], "220 °C"],
                ),
                block("table_row", cells=["Climb", "100 °C an hour", [text("1,222 °C", bold=True)]]),
            ],
        )
        add(self.firing, "equation", expression=r"t = \frac{T_{end} - T_{start}}{r}")
        glaze = self._page(self.firing, "Cone 6 glaze firing", "01-09T10:40", "10-20T19:30", self.tomasz)
        add(glaze, "synced_block", synced_from=self.synced_original)
        add(glaze, "heading_3", "Soak")
        add(glaze, "paragraph", "Hold for ten minutes at the top, then let it fall by itself.")
        bisque = self._page(self.firing, "Bisque firing", "01-09T11:05", "04-02T18:20", self.tomasz)
        add(
            bisque,
            "paragraph",
            "Slow until the kettle on the lid stops steaming.",
            icon=emoji("🐢"),
        )

    def _add_products(self) -> None:
        add = self.workspace.add_block
        self.products = self._page(self.home, "Products", "01-11T09:45", "11-02T13:13", self.yuki)
        columns = add(self.products, "column_list")
        left = add(columns, "column", width_ratio=0.6)
        add(left, "heading_4", "Tableware")
        add(left, "paragraph", "Six shapes.")
        right = add(columns, "column", width_ratio=0.4)
        add(right, "heading_4", "One-offs")
        add(right, "paragraph", "When clay is left.")
        seconds = self._page(right, "Seconds shelf", "02-10T15:00", "08-12T16:20", self.margo)
        add(seconds, "paragraph", "Small flaws, half the price, no returns.")
        spring = self._page(self.products, "Spring tableware", "01-11T10:20", "03-18T14:37", self.yuki)
        add(spring, "bulleted_list_item", "Breakfast bowl, 14 cm")
        add(spring, "bulleted_list_item", "Low mug, two handles", color="blue")
        recipes = self._page(self.products, "Glaze recipes", "01-15T16:00", "09-14T15:45", self.tomasz)
        self.harbour_blue = self._page(recipes, "Harbour blue", "01-15T16:12", "09-14T15:41", self.tomasz)
        add(self.harbour_blue, "code", "feldspar 42\nsilica 25\nwhiting 18\nkaolin 12\ncobalt 3")
        oatmeal = self._page(recipes, "Oatmeal white", "01-15T16:50", "06-22T12:29", self.tomasz)
        add(
            oatmeal,
            "code",
            "feldspar 38\nsilica 30\nwhiting 20\nkaolin 12",
            caption="Grams in a hundred",
        )
        self.lookbook = self._page(self.products, "Lookbook", "02-20T11:00", "11-02T13:10", self.oona, icon=emoji("📷"))

    # Pages with a purpose

    def _fill_house_style(self) -> None:
        add = self.workspace.add_block
        page = self.house_style
        add(
            page,
            "paragraph",
            [
                "Names of pots are ",
                text("never", italic=True),
                " in ",
                text("bold", bold=True),
                "; prices that fell are ",
                text("struck out", strikethrough=True),
                ", sizes stand in ",
                text("code", code=True),
                ", and what needs a ",
                text("second look", underline=True, color="red"),
                " is red. See the ",
                text("long version", f"{SITE}/style"),
                ".",
            ],
        )
        add(
            page,
            "paragraph",
            ["Glaze weights are written ", equation(r"m = \rho V"), ", not in words."],
        )
        add(
            page,
            "bulleted_list_item",
            [
                "Ask ",
                mention_user(self.workspace.user(self.yuki) or {}),
                " when unsure, or ",
                mention_user({"object": "user", "id": self.oona}),
                " about pictures.",
            ],
        )
        add(
            page,
            "bulleted_list_item",
            [
                "Valid from ",
                mention_date("2026-02-02"),
                ", reviewed ",
                mention_date(
                    "2026-06-01T09:00:00.000+02:00",
                    "2026-06-01T10:00:00.000+02:00",
                    "Europe/Copenhagen",
                ),
                ".",
            ],
        )
        add(
            page,
            "bulleted_list_item",
            [
                "Examples: ",
                mention_page(self.harbour_blue, "Harbour blue"),
                " and ",
                mention_database(self.contacts, "Contacts"),
                ".",
            ],
        )
        add(
            page,
            "bulleted_list_item",
            [
                "Links: ",
                mention_link_preview("https://code.example/tidewrack/shop/issues/7"),
                " and ",
                mention_link(
                    f"{SITE}/fonts",
                    "Our fonts",
                    description="Two of them",
                    link_provider="Tidewrack",
                ),
                ".",
            ],
        )
        add(
            page,
            "to_do",
            [mention_template_user(), " signs, dated ", mention_template_date("now"), "."],
        )
        add(
            page,
            "paragraph",
            ["Good work gets a ", mention_custom_emoji(self.kiln_emoji), "."],
            color="gray",
        )

    def _fill_lookbook(self) -> None:
        add = self.workspace.add_block
        page = self.lookbook
        add(
            page,
            "image",
            hosted="tidewrack/bowls-at-low-tide.jpg",
            caption=["Bowls at ", text("low tide", italic=True)],
        )
        add(page, "image", external=f"{SITE}/media/mugs.jpg")
        add(page, "video", external=f"{SITE}/media/throwing.mp4", caption="Four minutes of throwing")
        add(
            page,
            "audio",
            hosted="tidewrack/kiln-cooling.mp3",
            caption="A glaze that sings while it cools",
        )
        add(page, "pdf", hosted="tidewrack/spring-lookbook.pdf")
        add(page, "file", hosted="tidewrack/price-list.xlsx", caption="For wholesale")
        add(page, "file", external=f"{SITE}/media/logo.zip", name="Logos")
        add(
            page,
            "callout",
            "The photographer's own choice.",
            icon=hosted_file("tidewrack/lens.png"),
        )

    def _fill_course(self) -> None:
        add = self.workspace.add_block
        add(
            self.course,
            "tab",
            children=[
                block(
                    text="Week one",
                    icon=emoji("1️⃣"),
                    children=[
                        block("heading_3", "Centring"),
                        block(text="Wet hands, slow wheel, elbows on the knees."),
                    ],
                ),
                block(
                    text="Week two",
                    icon=emoji("2️⃣"),
                    children=[block("to_do", "Bring back the cylinder", checked=False)],
                ),
            ],
        )
        add(self.course, "unsupported", block_type="form")
        add(
            self.course,
            "unsupported",
            block_type="button",
            children=[block(text="Out of reach of the API.")],
        )
        self.ai_block = add(self.course, "ai_block", children=[block(text="A summary that nobody may read.")])
        add(self.course, "synced_block", synced_from=self.synced_original)

    def _fill_meeting(self) -> None:
        self.workspace.add_block(
            self.planning_meeting,
            "meeting_notes",
            title="Autumn planning",
            status="notes_ready",
            calendar_event={
                "start_time": "2026-09-07T09:00:00.000Z",
                "end_time": "2026-09-07T10:00:00.000Z",
                "attendees": [self.ines, self.tomasz, self.yuki],
            },
            recording={
                "start_time": "2026-09-07T09:02:00.000Z",
                "end_time": "2026-09-07T09:58:00.000Z",
            },
            children=[
                block(
                    text="Summary",
                    children=[block("bulleted_list_item", "The open evening moves to November.")],
                ),
                block(text="Notes", children=[block("to_do", "Ask the harbour office about the quay")]),
                block(text="Transcript", children=[block(text="Then let us look at the calendar.")]),
            ],
        )
        self.quay = self.workspace.add_block(self.planning_meeting, "paragraph", "Who talks to the harbour office?")

    # Databases

    def _add_guide(self) -> None:
        """A wiki: its rows are pages, and a database with a data source of its own."""
        add = self.workspace.add_database
        guide = add(
            None,
            "Studio guide",
            icon=emoji("🧭"),
            created_time="2026-01-21T08:30:12.604",
            last_edited_time="2026-10-02T09:15:40.311",
            created_by=self.ines,
        )
        source = self.workspace.add_data_source(
            guide,
            None,
            {
                "Page": "title",
                "Owner": "people",
                "Verification": {"type": "verification", "id": "verification"},
                "Tags": {"type": "multi_select", "options": ("First week", "Everybody")},
            },
        )
        verified = {
            "state": "verified",
            "date": date("2026-10-02", "2027-10-02"),
            "verified_by": self.ines,
        }
        bring = self.workspace.add_row(
            source,
            {
                "Page": "What to bring",
                "Owner": [self.margo],
                "Verification": verified,
                "Tags": ["First week"],
            },
            created_time="2026-01-21T08:41",
            last_edited_time="2026-10-02T09:15",
            created_by=self.ines,
        )
        self.workspace.add_block(bring, "paragraph", "An apron, short nails and a towel that may die.")
        self.workspace.add_row(
            source,
            {"Page": "Who has a key", "Tags": ["Everybody"]},
            created_time="2026-01-21T08:55",
            last_edited_time="2026-01-21T09:02",
            created_by=self.ines,
        )
        keys = add(source, "Keys", created_time="2026-01-21T09:05:31.020", created_by=self.ines)
        keys_source = self.workspace.add_data_source(keys, None, {"Door": "title", "Copies": "number"})
        self.workspace.add_row(keys_source, {"Door": "Kiln room", "Copies": 3}, created_time="2026-01-21T09:06")

    def _add_stock(self) -> None:
        """One database with two data sources."""
        workspace = self.workspace
        stock = workspace.add_database(
            self.products,
            "Stock",
            description="What is on the shelves, weighed on Mondays.",
            created_time="2026-02-03T07:50:02.917",
            last_edited_time="2026-11-09T08:00:44.260",
            created_by=self.tomasz,
        )
        kilos: Json = {"type": "number", "format": "number", "description": "In kilograms"}
        clays = workspace.add_data_source(stock, "Clays", {"Clay": "title", "Weight": kilos, "Groggy": "checkbox"})
        glazes = workspace.add_data_source(stock, "Glazes", {"Glaze": "title", "Weight": kilos, "Recipe": "url"})
        for name, weight, groggy in (
            ("Grey stoneware", 410.5, True),
            ("Porcelain", 62, False),
            ("Red earthenware", 0, True),
        ):
            workspace.add_row(
                clays,
                {"Clay": name, "Weight": weight, "Groggy": groggy},
                created_time="2026-02-03T08:10",
            )
        for name, kilograms in (("Harbour blue", 18.25), ("Oatmeal white", 31), ("Rust", None)):
            workspace.add_row(
                glazes,
                {"Glaze": name, "Weight": kilograms},
                created_time="2026-02-03T08:20",
                last_edited_time="2026-11-09T08:00",
            )

    def _add_contacts(self) -> None:
        workspace = self.workspace
        self.contacts = workspace.add_database(
            self.home,
            "Contacts",
            icon=icon("user", "green"),
            is_inline=True,
            created_time="2026-01-13T10:00:00.118",
            last_edited_time="2026-08-17T09:26:51.450",
            created_by=self.yuki,
        )
        source = workspace.add_data_source(
            self.contacts,
            None,
            {
                "Name": "title",
                "Email": "email",
                "Phone": "phone_number",
                "Website": "url",
                "Kind": {
                    "type": "multi_select",
                    "options": {"Shop": "blue", "Supplier": "orange", "Press": "pink"},
                },
                "Address": "place",
                "Met on": "date",
                "Card": "files",
            },
        )
        contacts: tuple[Json, ...] = (
            {
                "Name": "Pelle at Skarv Coffee",
                "Email": "pelle@skarv.example",
                "Phone": "+45 0000 1122",
                "Kind": ["Shop"],
                "Address": {
                    "lat": 55.47,
                    "lon": 8.45,
                    "name": "Skarv Coffee",
                    "address": "Quay 3",
                    "aws_place_id": None,
                    "google_place_id": None,
                },
                "Met on": "2026-01-30",
            },
            {
                "Name": "Dune Clay Works",
                "Website": "https://duneclay.example",
                "Kind": ["Supplier"],
                "Card": [{"name": "delivery-terms.pdf", **hosted_file("tidewrack/delivery-terms.pdf")}],
            },
            {
                "Name": "Harbour Gazette",
                "Email": "desk@gazette.example",
                "Kind": ["Press"],
                "Met on": "2026-03-14",
                "Card": [{"name": "press-card.png", **external_file(f"{SITE}/media/press-card.png")}],
            },
            {"Name": "Lumen & Oak", "Kind": ["Shop", "Press"], "Phone": "+45 0000 7781"},
        )
        for day, values in enumerate(contacts, start=14):
            workspace.add_row(
                source,
                values,
                created_time=f"2026-01-{day}T10:30",
                created_by=self.yuki,
                last_edited_time=f"2026-0{day % 7 + 2}-17T09:26",
            )

    def _add_planning(self) -> None:
        """Tasks and projects, which refer to each other."""
        workspace = self.workspace
        projects = workspace.add_database(
            self.planning,
            "Projects",
            created_time="2026-01-20T10:04:10.500",
            last_edited_time="2026-11-15T07:38:03.092",
            created_by=self.ines,
        )
        self.projects = workspace.add_data_source(
            projects,
            None,
            {
                "Project": "title",
                "State": {
                    "type": "status",
                    "options": {"Idea": "default", "Running": "blue", "Finished": "green"},
                    "groups": {
                        "To-do": ["Idea"],
                        "In progress": ["Running"],
                        "Complete": ["Finished"],
                    },
                },
                "Lead": "people",
                "Budget": {"type": "number", "format": "euro"},
                "Period": "date",
                "Started": "created_time",
                "Started by": "created_by",
            },
        )
        tasks = workspace.add_database(
            self.planning,
            "Tasks",
            icon=emoji("✅"),
            cover=external_file(f"{SITE}/covers/desk.jpg"),
            description=[text("Everything", bold=True), " that somebody has promised."],
            created_time="2026-01-20T10:11:47.030",
            last_edited_time="2026-11-14T18:02:20.735",
            created_by=self.ines,
        )
        self.tasks = workspace.add_data_source(
            tasks,
            None,
            {
                "Task": "title",
                "ID": {"type": "unique_id", "prefix": "TASK"},
                "Status": {
                    "type": "status",
                    "options": {
                        "Not started": "default",
                        "Doing": "blue",
                        "Stuck": "red",
                        "Done": "green",
                    },
                    "groups": {
                        "To-do": ["Not started"],
                        "In progress": ["Doing", "Stuck"],
                        "Complete": ["Done"],
                    },
                },
                "Priority": {
                    "type": "select",
                    "options": {"High": "red", "Normal": "yellow", "Low": "gray"},
                },
                "Assignees": "people",
                "Due": "date",
                "Hours": {"type": "number", "format": "number"},
                "Billable": "checkbox",
                "Notes": "rich_text",
                "Late": {
                    "type": "formula",
                    "expression": 'dateBetween(now(), prop("Due"), "days") > 0',
                },
                "Label": {
                    "type": "formula",
                    "expression": 'prop("Task") + ", " + prop("Status")',
                },
                "Cost": {"type": "formula", "expression": 'prop("Hours") * 45'},
                "Reminder": {
                    "type": "formula",
                    "expression": 'dateSubtract(prop("Due"), 2, "days")',
                },
                "Chain": {
                    "type": "formula",
                    "expression": 'prop("Project").map(current.prop("Work")).sum()',
                },
                "Files": "files",
                "Finish": "button",
                "Edited": "last_edited_time",
                "Edited by": "last_edited_by",
            },
        )
        workspace.add_property(
            self.tasks,
            "Project",
            {"type": "relation", "data_source_id": self.projects, "synced_property": "Tasks"},
        )
        workspace.add_property(self.tasks, "Waits for", {"type": "relation", "data_source_id": self.tasks})
        for name, of, function in (
            ("Work", "Hours", "sum"),
            ("First due", "Due", "earliest_date"),
            ("What", "Task", "show_original"),
        ):
            definition: Json = {
                "type": "rollup",
                "relation": "Tasks",
                "property": of,
                "function": function,
            }
            workspace.add_property(self.projects, name, definition)
        self._add_projects_and_tasks()
        for name, kind, source in (
            ("All tasks", "table", self.tasks),
            ("By status", "board", self.tasks),
        ):
            workspace.add_view(tasks, name, kind, data_source_id=source, time="2026-01-20T10:12")
        workspace.add_view(
            projects,
            "Timeline",
            "timeline",
            data_source_id=self.projects,
            time="2026-01-20T10:05",
            sorts=[{"timestamp": "created_time", "direction": "ascending"}],
        )
        workspace.add_linked_database(self.planning)

    def _add_projects_and_tasks(self) -> None:
        workspace = self.workspace
        opening = workspace.add_row(
            self.projects,
            {
                "Project": "Open evening",
                "State": "Running",
                "Lead": [self.ines, self.margo],
                "Budget": 1800,
                "Period": date("2026-09-07", "2026-11-21"),
                "Work": 70,
                "First due": date("2026-10-01"),
                "What": [{"type": "title", "title": [text(name)]} for name in OPENING_TASKS],
            },
            created_time="2026-09-07T10:15",
            last_edited_time="2026-11-14T18:02",
            created_by=self.ines,
            icon=emoji("🎉"),
        )
        workspace.add_block(opening, "heading_2", "What it is for")
        workspace.add_block(opening, "paragraph", "Neighbours first, customers second, sales third.")
        shop = workspace.add_row(
            self.projects,
            {
                "Project": "New web shop",
                "State": "Idea",
                "Lead": [self.yuki],
                "Budget": None,
                "Work": 12.5,
                "Period": date("2027-01-11"),
                "First due": date("2026-12-01"),
                "What": [{"type": "title", "title": [text("Compare payment fees")]}],
            },
            created_time="2026-08-28T19:40",
            last_edited_time="2026-08-30T20:10",
            created_by=self.yuki,
        )
        previous = None
        for number, name in enumerate(OPENING_TASKS):
            day = f"2026-10-{number + 1:02}"
            status = ("Done", "Doing", "Not started", "Stuck")[number % 4]
            hours = 1 + number % 4
            values: Json = {
                "Task": name,
                "Status": status,
                "Priority": ("High", "Normal", "Low", None)[number % 4],
                "Assignees": [(self.ines, self.tomasz, self.yuki, self.margo)[number % 4]],
                "Due": date(day),
                "Hours": hours,
                "Late": status != "Done",
                "Label": f"{name}, {status}",
                "Cost": hours * 45,
                "Reminder": date(f"2026-09-{number + 1:02}"),
                "Chain": {"type": "unsupported", "unsupported": {}},
                "Project": [opening],
                "Waits for": [previous] if previous and number % 5 == 0 else [],
            }
            previous = workspace.add_row(
                self.tasks,
                values,
                created_time=f"2026-09-{8 + number % 20:02}T09:{number:02}",
                last_edited_time=f"2026-1{number % 2}-{1 + number % 14:02}T17:{number:02}",
                created_by=self.ines,
                last_edited_by=self.tomasz,
            )
        workspace.add_row(
            self.tasks,
            {
                "Task": [text("Compare "), text("payment fees", f"{SITE}/fees")],
                "Status": "Doing",
                "Priority": "High",
                "Assignees": [self.yuki, ALL_HANDS],
                "Hours": 12.5,
                "Billable": True,
                "Project": [shop],
                "Due": date("2026-12-01T09:00:00.000+01:00", None, "Europe/Copenhagen"),
                "Notes": [
                    "Start with the three that take ",
                    text("coins", strikethrough=True),
                    " cards.",
                ],
                "Files": [
                    {"name": "fees.csv", **hosted_file("tidewrack/fees.csv")},
                    {"name": "Overview", **external_file(f"{SITE}/fees.html")},
                ],
            },
            created_time="2026-08-28T20:00",
            last_edited_time="2026-11-13T21:47",
            created_by=self.yuki,
        )

    def _add_term_table(self) -> None:
        """A database without a title, one of whose rows has none either."""
        workspace = self.workspace
        terms = workspace.add_block(self.classes, "toggle", "Terms")
        untitled = workspace.add_database(terms, "", created_time="2026-04-27T12:00:09.441", created_by=self.margo)
        source = workspace.add_data_source(untitled, None, {"Name": "title", "Starts": "date", "Seats": "number"})
        workspace.add_row(
            source,
            {"Name": "Spring term", "Starts": "2026-05-04", "Seats": 8},
            created_time="2026-04-27T12:01",
        )
        workspace.add_row(source, {}, created_time="2026-04-27T12:02", created_by=self.form)

    # Comments and obstacles

    def _add_comments(self) -> None:
        comment = self.workspace.add_comment
        comment(
            self.planning_meeting,
            "Shall we invite the rowing club?",
            "2026-09-07T10:20",
            created_by=self.yuki,
        )
        comment(
            self.planning_meeting,
            ["Yes, ", mention_user(self.workspace.user(self.margo) or {}), " knows them."],
            "2026-09-07T11:05",
            created_by=self.ines,
        )
        thread = "b8a3f6d0-91c2-8e47-a05b-3d7e6c1f2a94"
        comment(
            self.quay,
            "I can call on Thursday.",
            "2026-09-08T08:00",
            created_by=self.tomasz,
            discussion_id=thread,
        )
        comment(
            self.quay,
            "They moved to quay 5.",
            "2026-09-08T15:10",
            created_by=self.margo,
            discussion_id=thread,
            last_edited_time="2026-09-08T15:12",
        )
        comment(
            self.nest,
            "Printed and hung next to the door.",
            "2026-10-21T11:50",
            created_by=self.tomasz,
        )
        comment(
            self.lookbook,
            "Two new shots attached.",
            "2026-11-02T13:08",
            created_by=self.oona,
            attachments=[{"category": "image", "file": hosted_file("tidewrack/quay-at-night.jpg")}],
        )
        comment(
            self.course,
            "A place was booked.",
            "2026-09-29T11:47",
            created_by=self.form,
            display_name={"type": "custom", "resolved_name": "Booking desk"},
        )
        comment(self.harbour_blue, "Firing log updated.", "2026-09-14T15:40", created_by=self.calendar)

    def _add_obstacles(self) -> None:
        """What a connector meets in a real workspace and has to survive."""
        workspace = self.workspace
        prices = self._page(self.products, "Price list 2025", "01-11T11:00", "02-27T10:00", self.yuki)
        workspace.add_block(prices, "paragraph", "Superseded.")
        workspace.trash_page(prices)
        gone = workspace.add_block(self.home, "paragraph", "A line that was deleted.")
        workspace.delete_block(gone)
        imported = self._page(self.handbook, "Imported notes", "06-15T07:30", "06-15T07:30", self.calendar)
        workspace.add_block(imported, "paragraph", "Search has not noticed this page yet.")
        workspace.unsearchable.add(imported)
        private = self._page(self.home, "Wages", "01-28T18:00", "10-30T18:30", self.ines)
        hidden = workspace.add_block(private, "synced_block", children=[block(text="Not for everybody.")])
        workspace.unshared.add(private)
        workspace.add_block(self.meetings, "synced_block", synced_from=hidden)


def make_sample() -> Workspace:
    """Return the sample workspace."""
    return _Sample().workspace


if __name__ == "__main__":
    make_sample().save(SAMPLE)
