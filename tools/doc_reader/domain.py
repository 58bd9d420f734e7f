"""What the reader knows: kinds of document, their fields, the values they may have, and how one asks.

Everything is a closed set or short digits, on purpose: the model has four million parameters, and a narrow
domain that is read is worth more than a wide one that is guessed. All names are made up.
"""

TITLES = {
    "invoice": ["发票", "销售发票"],
    "receipt": ["收据", "收款收据"],
    "delivery": ["送货单"],
    "contract": ["合同", "购销合同"],
}

CUSTOMERS = [
    "青山商店", "海风公司", "明月酒家", "北辰工厂", "长河书店", "松林学校", "东方公司", "金叶商店",
    "白云酒家", "南湖工厂", "红星学校", "春雨书店",
]
GOODS = [
    "茶叶", "大米", "面粉", "食盐", "白糖", "纸张", "铅笔", "木板", "钢管", "水泥", "电池", "灯泡",
    "毛巾", "雨伞", "桌子", "椅子",
]
CITIES = ["北京", "上海", "广州", "深圳", "杭州", "南京", "成都", "武汉", "西安", "天津", "苏州", "长沙"]
PAYMENTS = ["现金", "转账", "支票", "刷卡"]
RATES = ["3%", "6%", "9%", "13%"]
ABSENT = "没有"


def digits(chance, least, most):
    """`least` to `most` digits, the first not 0; every length is as likely."""
    count = chance.randint(least, most)
    return str(chance.randint(1, 9)) + "".join(str(chance.randint(0, 9)) for _ in range(count - 1))


def date(chance):
    return f"20{chance.randint(20, 29)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"


def money(chance, most):
    return f"{digits(chance, 1, most)}.{chance.randint(0, 99):02}"


# field: (labels that pages print, a maker of values, questions)
FIELDS = {
    "number": (["编号", "单号"], lambda c: digits(c, 4, 6),
               ["编号是多少？", "单号是多少？", "编号？", "What is the number?"]),
    "date": (["日期"], date,
             ["日期是哪天？", "日期是多少？", "日期？", "What is the date?"]),
    "customer": (["客户", "买方"], lambda c: c.choice(CUSTOMERS),
                 ["客户是谁？", "买方是谁？", "客户？", "Who is the customer?"]),
    "goods": (["货品", "品名"], lambda c: c.choice(GOODS),
              ["货品是什么？", "品名是什么？", "货品？", "What are the goods?"]),
    "quantity": (["数量"], lambda c: digits(c, 1, 3),
                 ["数量是多少？", "数量？", "What is the quantity?"]),
    "price": (["单价"], lambda c: money(c, 3),
              ["单价是多少？", "单价？", "What is the price?"]),
    "total": (["合计", "总额"], lambda c: money(c, 5),
              ["合计是多少？", "总额是多少？", "合计？", "What is the total?"]),
    "rate": (["税率"], lambda c: c.choice(RATES),
             ["税率是多少？", "税率？", "What is the tax rate?"]),
    "payment": (["付款"], lambda c: c.choice(PAYMENTS),
                ["怎么付款？", "付款？", "What is the payment?"]),
    "city": (["城市", "地点"], lambda c: c.choice(CITIES),
             ["城市是哪里？", "地点是哪里？", "城市？", "What is the city?"]),
    "store": (["仓库"], lambda c: f"{c.randint(1, 99)}号",
              ["仓库是几号？", "仓库？", "What is the store?"]),
    "days": (["期限"], lambda c: digits(c, 1, 3) + "天",
             ["期限是多少天？", "期限？", "What is the term?"]),
}
TITLE_QUESTIONS = ["这是什么单据？", "标题是什么？", "What is this document?"]

KINDS = {
    "invoice": ["number", "date", "customer", "goods", "quantity", "price", "total", "rate", "payment"],
    "receipt": ["number", "date", "customer", "goods", "quantity", "price", "total", "payment"],
    "delivery": ["number", "date", "customer", "goods", "quantity", "city", "store"],
    "contract": ["number", "date", "customer", "goods", "total", "city", "days", "payment"],
}

ROLES = ["title", *FIELDS]


def closed_values():
    """Every text of a closed set."""
    titles = [title for group in TITLES.values() for title in group]
    return titles + CUSTOMERS + GOODS + CITIES + PAYMENTS + RATES + [ABSENT]


def page_characters():
    """Every character that a page can show, sorted."""
    texts = closed_values() + [label for labels, _, _ in FIELDS.values() for label in labels]
    return sorted(set("".join(texts)) | set("0123456789.-%：号天"))


def question_texts():
    return TITLE_QUESTIONS + [question for _, _, questions in FIELDS.values() for question in questions]


def question_for(role, chance):
    return chance.choice(TITLE_QUESTIONS if role == "title" else FIELDS[role][2])
