"""The fictional holders of the simulated licences. Nobody real: numbers, dates and identity numbers are made up."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """One holder and the dates of the licence. Dates are YYYYMMDD; `categories` are (code, from, until) and, if there
    are any, a restriction's code, sign and value."""

    number: str
    surname: str
    given_names: str
    surname_ar: str
    given_names_ar: str
    sex: str
    birth: str
    birthplace: str
    issue: str
    expiry: str
    authority: str
    nin: str
    blood_group: str
    categories: tuple[tuple[str, ...], ...]
    country: str = "DZA"


PEOPLE = {
    "amina": Person(
        "A10203047", "BENALI", "AMINA", "بن علي", "أمينة", "F", "19870614", "ALGER", "20220310", "20320309", "ALGER CENTRE",
        "119870614000000019", "O+", (("B", "20220310", "20320309"),),
    ),
    "karim": Person(
        "A20458813", "HADDAD", "KARIM", "حداد", "كريم", "M", "19791102", "BLIDA", "20190121", "20290120", "BLIDA",
        "119791102000000027", "A+", (("A", "20190121", "20290120"), ("B", "20190121", "20290120")),
    ),
    "yacine": Person(
        "A30771296", "MEZIANE", "YACINE ANIS", "مزيان", "ياسين أنيس", "M", "19950223", "TIZI OUZOU", "20210905",
        "20310904", "TIZI OUZOU", "119950223000000035", "B-", (("B", "20210905", "20310904"),),
    ),
    "nadia": Person(
        "A41190358", "CHERIF", "NADIA", "شريف", "نادية", "F", "19680730", "ORAN", "20180412", "20280411", "ORAN",
        "119680730000000043", "AB+", (("B", "20180412", "20280411"), ("C1", "20180412", "20280411")),
    ),
    "omar": Person(
        "A50012764", "ZIANI", "OMAR", "زياني", "عمر", "M", "19590117", "ANNABA", "20180603", "20230602", "ANNABA",
        "119590117000000051", "O-", (("B", "20180603", "20230602"), ("C", "20180603", "20230602")),
    ),
    "saliha": Person(
        "A60443170", "BOUZID", "SALIHA", "بوزيد", "صليحة", "F", "19560000", "BEJAIA", "20230215", "20330214", "BEJAIA",
        "119560000000000069", "A-", (("B", "20230215", "20330214"),),
    ),
    "claire": Person(
        "99XX00042", "MODELE", "CLAIRE", "", "", "F", "19820904", "LYON", "20200115", "20350114", "TEST 69",
        "", "", (("AM", "20200115", "20350114"), ("B", "20200115", "20350114")), "FRA",
    ),
}  # fmt: skip
