from functools import partial

from django.db import migrations


def set_lent(apps, schema_editor, value):
    Book = apps.get_model('library', 'Book')
    db_alias = schema_editor.connection.alias
    # Everybody has brought everything back.
    for book in Book._default_manager.using(db_alias).all():  # every one
        book.lent = value
        book.save()


def count_letters(apps, schema_editor):
    Book = apps.get_model('library', 'Book')
    letters = 0
    for number, book in enumerate(Book.objects.filter(lent=False), 1):
        letters += len(book.text)
        if number % 1000 == 0:
            print(number)
    print(letters)


class Migration(migrations.Migration):
    dependencies = [('library', '0002_sort_titles')]
    operations = [
        migrations.RunPython(
            partial(set_lent, value=False), lambda apps, editor: set_lent(apps, editor, True)
        ),
        migrations.RunPython(count_letters, migrations.RunPython.noop),
    ]
