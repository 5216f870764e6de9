"""The code lists that Braze validates against: countries, languages, currencies."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


COUNTRIES = _set(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY
    BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK
    FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK
    ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF
    TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """
)
"""ISO 3166-1 alpha-2."""

COUNTRY_NAMES = {
    "australia": "AU",
    "austria": "AT",
    "brazil": "BR",
    "canada": "CA",
    "china": "CN",
    "france": "FR",
    "germany": "DE",
    "india": "IN",
    "italy": "IT",
    "japan": "JP",
    "mexico": "MX",
    "netherlands": "NL",
    "poland": "PL",
    "portugal": "PT",
    "spain": "ES",
    "sweden": "SE",
    "switzerland": "CH",
    "uk": "GB",
    "united kingdom": "GB",
    "united states": "US",
    "usa": "US",
}
"""Braze guesses other spellings (docs: user_attributes_object); which ones is not documented."""

LANGUAGES = _set(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee
    el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is
    it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms
    mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk
    sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi
    yo za zh zu
    """
)
"""ISO 639-1."""

CURRENCIES = _set(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
    CHF CLP CNY COP CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD
    HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD
    LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP
    PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT
    TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL
    """
)
"""ISO 4217, without funds, metals and test codes."""


TIME_ZONE_NAMES = frozenset(
    name.strip()
    for name in """
    International Date Line West; Midway Island; American Samoa; Hawaii; Alaska; Pacific Time (US & Canada);
    Tijuana; Mountain Time (US & Canada); Arizona; Chihuahua; Mazatlan; Central Time (US & Canada); Saskatchewan;
    Guadalajara; Mexico City; Monterrey; Central America; Eastern Time (US & Canada); Indiana (East); Bogota; Lima;
    Quito; Atlantic Time (Canada); Caracas; La Paz; Santiago; Newfoundland; Brasilia; Buenos Aires; Montevideo;
    Georgetown; Puerto Rico; Greenland; Mid-Atlantic; Azores; Cape Verde Is.; Dublin; Edinburgh; Lisbon; London;
    Casablanca; Monrovia; Belgrade; Bratislava; Budapest; Ljubljana; Prague; Sarajevo; Skopje; Warsaw; Zagreb;
    Brussels; Copenhagen; Madrid; Paris; Amsterdam; Berlin; Bern; Zurich; Rome; Stockholm; Vienna;
    West Central Africa; Bucharest; Cairo; Helsinki; Kyiv; Riga; Sofia; Tallinn; Vilnius; Athens; Istanbul; Minsk;
    Jerusalem; Harare; Pretoria; Kaliningrad; Moscow; St. Petersburg; Volgograd; Samara; Kuwait; Riyadh; Nairobi;
    Baghdad; Tehran; Abu Dhabi; Muscat; Baku; Tbilisi; Yerevan; Kabul; Ekaterinburg; Islamabad; Karachi; Tashkent;
    Chennai; Kolkata; Mumbai; New Delhi; Kathmandu; Astana; Dhaka; Sri Jayawardenepura; Almaty; Novosibirsk;
    Rangoon; Bangkok; Hanoi; Jakarta; Krasnoyarsk; Beijing; Chongqing; Hong Kong; Urumqi; Kuala Lumpur; Singapore;
    Taipei; Perth; Irkutsk; Ulaanbaatar; Seoul; Osaka; Sapporo; Tokyo; Yakutsk; Darwin; Adelaide; Canberra;
    Melbourne; Sydney; Brisbane; Hobart; Vladivostok; Guam; Port Moresby; Magadan; Srednekolymsk; Solomon Is.;
    New Caledonia; Fiji; Kamchatka; Marshall Is.; Auckland; Wellington; Nuku'alofa; Tokelau Is.; Chatham Is.;
    Samoa
    """.split(";")  # noqa: SIM905 - a list literal of 140 lines says no more
)
"""Time zone names from Ruby on Rails, which Braze accepts in addition to IANA names."""
