"""What a person put in place of an address survives what ScaleV says again."""

from services import repairs
from services.repairs import EMAIL, PHONE


def test_the_old_address_is_read_as_the_new_one_however_it_is_written() -> None:
    known = repairs.add(None, EMAIL, "budi@gmial.com", "budi@gmail.com")
    assert repairs.read(known, EMAIL, "Budi@Gmial.com ") == "budi@gmail.com"
    assert repairs.read(known, EMAIL, "lain@gmail.com") == "lain@gmail.com"
    assert repairs.read(known, "name", "budi@gmial.com") == "budi@gmial.com"


def test_a_second_repair_replaces_the_first() -> None:
    known = repairs.add(None, EMAIL, "budi@gmial.com", "budi@gmail.com")
    known = repairs.add(known, EMAIL, "budi@gmail.com", "budi@yahoo.com")
    assert repairs.read(known, EMAIL, "budi@gmial.com") == "budi@yahoo.com"
    assert repairs.read(known, EMAIL, "budi@gmail.com") == "budi@yahoo.com"


def test_going_back_to_what_scalev_says_undoes_the_repair() -> None:
    known = repairs.add(None, PHONE, "081234567890", "6281299999999")
    known = repairs.add(known, PHONE, "6281299999999", "6281234567890")
    assert repairs.read(known, PHONE, "+62 812-3456-7890") == "+62 812-3456-7890"


def test_nothing_said_by_scalev_leaves_nothing_to_replace() -> None:
    assert repairs.add(None, EMAIL, None, "budi@gmail.com") == {EMAIL: {}}
    assert repairs.raise_rank("") == "5|"
    assert repairs.raise_rank("2|00017.000.abc") == "5|00017.000.abc"
