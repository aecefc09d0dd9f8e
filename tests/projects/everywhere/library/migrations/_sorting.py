import re


def fill_sort_titles(Book):
    for book in Book.objects.order_by('pk'):
        book.sort_title = re.sub(r'^(the|a) ', '', book.title.lower())
        book.save()
