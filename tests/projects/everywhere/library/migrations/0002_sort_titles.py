from django.db import migrations

from ._sorting import fill_sort_titles


def forwards(apps, schema_editor):
    fill_sort_titles(apps.get_model('library', 'Book'))


class Migration(migrations.Migration):
    dependencies = [('library', '0001_initial')]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
