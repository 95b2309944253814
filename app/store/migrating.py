"""Migrations, which bring the tables of a database up to this release."""

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError

from app.errors import Unavailable

if TYPE_CHECKING:
    from app.store.databases import Database

FOLDER = Path(__file__).with_name("migrations")


def migrate(database: "Database") -> None:
    """Run the migrations that a database lacks, in one transaction, while all other services wait.

    Raises:
        Unavailable: The database is of a newer release.
    """
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    with database.writing() as connection:
        database.serialise(connection)
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Unavailable("the store must be of this release or an older one, found a newer one") from error
