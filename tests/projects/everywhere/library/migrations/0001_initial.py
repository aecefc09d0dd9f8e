from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel(
            'Shelf',
            [
                ('id', models.AutoField(primary_key=True)),
                ('room', models.CharField(max_length=20)),
            ],
        ),
        migrations.CreateModel(
            'Book',
            [
                ('id', models.AutoField(primary_key=True)),
                ('title', models.CharField(max_length=200)),
                ('sort_title', models.CharField(max_length=200, null=True)),
                ('isbn', models.CharField(max_length=13)),
                ('text', models.TextField()),
                ('lent', models.BooleanField(default=False)),
                ('shelf', models.ForeignKey('Shelf', models.CASCADE, related_name='books')),
            ],
        ),
    ]
